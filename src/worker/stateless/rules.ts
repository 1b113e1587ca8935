import { flagAck, flagFin, flagPush, flagReset, flagSyn, type Segment } from './packet.js';

/** States of one connection, one byte each. `handshake`: TCP is established, the WebSocket upgrade is not answered yet. */
export const connectionStates = { none: 0, synSent: 1, handshake: 2, tcp: 3, webSocket: 4, closing: 5 } as const;

/** What a segment means for its connection. */
export const outcomes = {
  /** Nothing changes. */
  nothing: 0,
  /** The SYN was answered: the connection is established for TCP. */
  connected: 1,
  /** The SYN was answered once more: the server has not seen our answer, nor what went with it. */
  connectedAgain: 2,
  /** Bytes of the payload from `deliverFrom` on are new and in order. */
  data: 3,
  /** The server has sent all it had; what came with it is delivered first. */
  finished: 4,
  reset: 5,
} as const;

/** What to do about a segment; reused for each. */
export interface Reaction {
  outcome: number;
  /** Flags of the answer; 0: none. */
  reply: number;
  replySequence: number;
  replyAcknowledgement: number;
  /** The sequence number that the server sends next, as it is known after this segment. */
  expected: number;
  /** Offset of new bytes in the packet, and how many. */
  deliverFrom: number;
  deliverBytes: number;
}

export function emptyReaction(): Reaction {
  return { outcome: 0, reply: 0, replySequence: 0, replyAcknowledgement: 0, expected: 0, deliverFrom: 0, deliverBytes: 0 };
}

/**
 * The sequence rule: what a client that keeps 11 bytes a connection answers (RFC 9293, 3.10.7, without timers and without congestion control).
 * `next` is the sequence number of the next byte that we send, `expected` that of the next byte of the server. Pure but for `reaction`.
 */
export function react(state: number, next: number, expected: number, segment: Segment, reaction: Reaction): void {
  const { flags, sequence, acknowledgement } = segment;
  reaction.outcome = outcomes.nothing;
  reaction.reply = 0;
  reaction.expected = expected;
  reaction.deliverBytes = 0;
  const isAnswer = (flags & flagAck) !== 0;
  if ((flags & flagReset) !== 0) {
    const isOurs = state === connectionStates.synSent ? isAnswer && acknowledgement === next : distance(expected, sequence) <= windowBytes;
    if (state !== connectionStates.none && isOurs) reaction.outcome = outcomes.reset;
    return;
  }
  if (state === connectionStates.none || !isAnswer) {
    refuse(segment, isAnswer, reaction);
    return;
  }
  if ((flags & flagSyn) !== 0) {
    onSynAck(state, next, expected, segment, reaction);
    return;
  }
  if (state === connectionStates.synSent) {
    refuse(segment, isAnswer, reaction);
    return;
  }
  onData(next, expected, segment, reaction);
}

/** A segment of a connection that is none of ours: a reset frees the server's end (RFC 9293, 3.5.2). */
function refuse(segment: Segment, isAnswer: boolean, reaction: Reaction): void {
  reaction.reply = isAnswer ? flagReset : flagReset | flagAck;
  reaction.replySequence = isAnswer ? segment.acknowledgement : 0;
  reaction.replyAcknowledgement = isAnswer ? 0 : (segment.sequence + lengthOf(segment)) >>> 0;
}

function onSynAck(state: number, next: number, expected: number, segment: Segment, reaction: Reaction): void {
  const first = (segment.sequence + 1) >>> 0;
  if (state === connectionStates.synSent) {
    if (segment.acknowledgement !== next) {
      refuse(segment, true, reaction);
      return;
    }
    reaction.outcome = outcomes.connected;
    reaction.expected = first;
  } else if (first === expected) {
    reaction.outcome = outcomes.connectedAgain;
  }
  acknowledge(segment.acknowledgement, reaction);
}

function onData(next: number, expected: number, segment: Segment, reaction: Reaction): void {
  const { payloadBytes, sequence } = segment;
  const isEnd = (segment.flags & flagFin) !== 0;
  /** Bytes that we have already; negative: some before it are missing. */
  const known = (expected - sequence) | 0;
  if (payloadBytes === 0 && !isEnd) {
    // A keep-alive or window probe is one before what is expected.
    if (known !== 0) acknowledge(next, reaction);
    return;
  }
  acknowledge(next, reaction);
  const fresh = payloadBytes - known;
  if (known < 0 || known > windowBytes || fresh < 0) return;
  if (fresh > 0) {
    reaction.outcome = outcomes.data;
    reaction.deliverFrom = segment.payloadAt + known;
    reaction.deliverBytes = fresh;
  }
  if (isEnd) reaction.outcome = outcomes.finished;
  reaction.expected = (expected + fresh + (isEnd ? 1 : 0)) >>> 0;
  reaction.replyAcknowledgement = reaction.expected;
}

function acknowledge(sequence: number, reaction: Reaction): void {
  reaction.reply = flagAck;
  reaction.replySequence = sequence;
  reaction.replyAcknowledgement = reaction.expected;
}

/** How far `to` is after `from` in sequence space. */
function distance(from: number, to: number): number {
  return (to - from) >>> 0;
}

function lengthOf(segment: Segment): number {
  return segment.payloadBytes + ((segment.flags & flagSyn) !== 0 ? 1 : 0) + ((segment.flags & flagFin) !== 0 ? 1 : 0);
}

/** As the client's own receive window. */
const windowBytes = 65_535;

/** Flags of a segment that carries data. */
export const dataFlags = flagAck | flagPush;

/**
 * The initial sequence number of a connection: a keyed hash of its number, so that numbers of old connections are no guess and need no memory
 * (RFC 9293, 3.4.1, asks for a clock; a namespace of our own has no old duplicates). The mixing is that of murmur3's finaliser.
 */
export function initialSequence(number: number, key: number): number {
  let hash = Math.imul(number ^ key, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
