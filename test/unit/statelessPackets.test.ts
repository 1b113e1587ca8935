import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Attempts } from '../../src/worker/stateless/attempts.js';
import { Numbering } from '../../src/worker/stateless/numbering.js';
import {
  addressNumber,
  emptySegment,
  flagAck,
  flagFin,
  flagPush,
  flagReset,
  flagSyn,
  hasRightChecksums,
  maximumSegmentBytes,
  PacketBuilder,
  parseSegment,
  type Segment,
} from '../../src/worker/stateless/packet.js';
import { connectionStates as states, emptyReaction, initialSequence, outcomes, react } from '../../src/worker/stateless/rules.js';

const server = addressNumber('198.18.0.1');
const source = addressNumber('198.19.0.2');
const word = fc.integer({ min: 0, max: 0xffffffff });
const port = fc.integer({ min: 0, max: 0xffff });

/** The checksum of RFC 1071 as its section 4.1 has it, written anew for this test. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}

describe('packets', () => {
  it('are read as they were built, with checksums that another sum confirms', () => {
    const builder = new PacketBuilder(server);
    const segment = emptySegment();
    fc.assert(
      fc.property(
        word,
        port,
        port,
        word,
        word,
        fc.integer({ min: 0, max: 63 }),
        fc.uint8Array({ maxLength: 200 }),
        (from, sourcePort, to, sequence, acknowledgement, flags, payload) => {
          const isSyn = (flags & flagSyn) !== 0;
          const carried = isSyn ? 0 : payload.length;
          const length = builder.build(from, sourcePort, to, sequence, acknowledgement, flags, isSyn ? undefined : payload, 0, carried);
          const packet = builder.bytes.slice(0, length);
          assert.ok(parseSegment(packet, length, segment));
          assert.deepEqual(
            { ...segment },
            {
              source: from,
              destination: server,
              sourcePort,
              destinationPort: to,
              sequence,
              acknowledgement,
              flags,
              payloadAt: isSyn ? 44 : 40,
              payloadBytes: carried,
            },
          );
          assert.deepEqual(packet.subarray(segment.payloadAt), isSyn ? new Uint8Array(0) : payload);
          assert.equal(internetChecksum(packet.subarray(0, 20)), 0);
          const pseudo = Uint8Array.of(...packet.subarray(12, 20), 0, 6, (length - 20) >>> 8, (length - 20) & 0xff, ...packet.subarray(20));
          assert.equal(internetChecksum(pseudo), 0);
          assert.ok(hasRightChecksums(packet, length));
        },
      ),
      { seed: 14, numRuns: 2_000 },
    );
  });

  it('a SYN names the largest segment', () => {
    const builder = new PacketBuilder(server);
    const length = builder.build(source, 1_024, 8_001, 1, 0, flagSyn);
    assert.deepEqual([...builder.bytes.subarray(40, length)], [2, 4, maximumSegmentBytes >>> 8, maximumSegmentBytes & 0xff]);
  });

  it('whatever comes in does no harm', () => {
    const segment = emptySegment();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.integer({ min: 0, max: 160 }), (bytes, length) => {
        if (!parseSegment(bytes, length, segment)) return;
        assert.ok(segment.payloadAt + segment.payloadBytes <= bytes.length);
      }),
      { seed: 14, numRuns: 20_000 },
    );
  });

  const whole = () => {
    const builder = new PacketBuilder(server);
    const length = builder.build(source, 1_024, 8_001, 1, 1, flagAck, Uint8Array.of(1, 2, 3), 0, 3);
    return builder.bytes.slice(0, length);
  };
  const spoilt: [string, (bytes: Uint8Array) => void, number?][] = [
    ['IPv6', (bytes) => (bytes[0] = 0x65)],
    ['UDP', (bytes) => (bytes[9] = 17)],
    ['a fragment', (bytes) => (bytes[7] = 1)],
    ['a total length beyond the packet', (bytes) => (bytes[3] = 200)],
    ['an IP header of 16 bytes', (bytes) => (bytes[0] = 0x44)],
    ['a TCP header beyond the packet', (bytes) => (bytes[32] = 0xf0)],
    ['a TCP header of 16 bytes', (bytes) => (bytes[32] = 0x40)],
    ['cut short', () => undefined, 39],
  ];
  for (const [name, spoil, length] of spoilt) {
    it(`refuses ${name}`, () => {
      const bytes = whole();
      spoil(bytes);
      assert.equal(parseSegment(bytes, length ?? bytes.length, emptySegment()), false);
    });
  }
});

describe('the sequence rule', () => {
  const segmentOf = (flags: number, sequence: number, acknowledgement: number, payloadBytes = 0): Segment => ({
    ...emptySegment(),
    flags,
    sequence,
    acknowledgement,
    payloadAt: 40,
    payloadBytes,
  });
  const { nothing, connected, connectedAgain, data, finished, reset } = outcomes;
  // We send next from 1,000 on; the server from 5,000 on.
  const cases: [string, number, Segment, { outcome: number; reply?: [number, number, number]; expected?: number; deliver?: [number, number] }][] = [
    ['SYN-ACK', states.synSent, segmentOf(flagSyn | flagAck, 4_999, 1_000), { outcome: connected, reply: [flagAck, 1_000, 5_000], expected: 5_000 }],
    ['SYN-ACK of an old SYN', states.synSent, segmentOf(flagSyn | flagAck, 4_999, 999), { outcome: nothing, reply: [flagReset, 999, 0] }],
    ['SYN-ACK again', states.tcp, segmentOf(flagSyn | flagAck, 4_999, 1_000), { outcome: connectedAgain, reply: [flagAck, 1_000, 5_000] }],
    ['refused', states.synSent, segmentOf(flagReset | flagAck, 0, 1_000), { outcome: reset }],
    ['reset of an old SYN', states.synSent, segmentOf(flagReset | flagAck, 0, 17), { outcome: nothing }],
    ['reset', states.tcp, segmentOf(flagReset, 5_000, 0), { outcome: reset }],
    ['reset from far away', states.tcp, segmentOf(flagReset, 900_000, 0), { outcome: nothing }],
    ['reset of none', states.none, segmentOf(flagReset, 5_000, 0), { outcome: nothing }],
    ['bare acknowledgement', states.tcp, segmentOf(flagAck, 5_000, 1_000), { outcome: nothing }],
    ['keep-alive probe', states.tcp, segmentOf(flagAck, 4_999, 1_000), { outcome: nothing, reply: [flagAck, 1_000, 5_000] }],
    ['data', states.tcp, segmentOf(flagAck | flagPush, 5_000, 1_000, 7), { outcome: data, reply: [flagAck, 1_000, 5_007], expected: 5_007, deliver: [40, 7] }],
    ['data again', states.tcp, segmentOf(flagAck, 4_993, 1_000, 7), { outcome: nothing, reply: [flagAck, 1_000, 5_000] }],
    ['data half known', states.tcp, segmentOf(flagAck, 4_997, 1_000, 7), { outcome: data, reply: [flagAck, 1_000, 5_004], expected: 5_004, deliver: [43, 4] }],
    ['data after a gap', states.tcp, segmentOf(flagAck, 5_100, 1_000, 7), { outcome: nothing, reply: [flagAck, 1_000, 5_000] }],
    ['FIN', states.tcp, segmentOf(flagAck | flagFin, 5_000, 1_000), { outcome: finished, reply: [flagAck, 1_000, 5_001], expected: 5_001 }],
    [
      'FIN with data',
      states.closing,
      segmentOf(flagAck | flagFin, 5_000, 1_000, 2),
      { outcome: finished, reply: [flagAck, 1_000, 5_003], expected: 5_003, deliver: [40, 2] },
    ],
    ['a segment of nobody', states.none, segmentOf(flagAck, 5_000, 1_234), { outcome: nothing, reply: [flagReset, 1_234, 0] }],
    ['a SYN to us', states.none, segmentOf(flagSyn, 77, 0), { outcome: nothing, reply: [flagReset | flagAck, 0, 78] }],
    ['data before the SYN-ACK', states.synSent, segmentOf(flagAck, 5_000, 1_000, 3), { outcome: nothing, reply: [flagReset, 1_000, 0] }],
  ];
  for (const [name, state, segment, wanted] of cases) {
    it(name, () => {
      const reaction = emptyReaction();
      react(state, 1_000, 5_000, segment, reaction);
      assert.equal(reaction.outcome, wanted.outcome);
      const reply = reaction.reply === 0 ? undefined : [reaction.reply, reaction.replySequence, reaction.replyAcknowledgement];
      assert.deepEqual(reply, wanted.reply);
      assert.equal(reaction.expected, wanted.expected ?? 5_000);
      assert.deepEqual(reaction.deliverBytes === 0 ? undefined : [reaction.deliverFrom, reaction.deliverBytes], wanted.deliver);
    });
  }

  it('goes over the end of sequence space', () => {
    const reaction = emptyReaction();
    react(states.tcp, 5, 0xfffffffe, segmentOf(flagAck | flagFin, 0xfffffffe, 5, 4), reaction);
    assert.deepEqual([reaction.outcome, reaction.expected, reaction.replyAcknowledgement], [finished, 3, 3]);
  });

  it('never delivers a byte twice or out of order, whatever comes', () => {
    const reaction = emptyReaction();
    fc.assert(
      fc.property(
        fc.array(fc.record({ flags: fc.integer({ min: 0, max: 63 }), at: fc.integer({ min: -20, max: 40 }), bytes: fc.integer({ min: 0, max: 30 }) })),
        (packets) => {
          let expected = 0xfffffff0;
          let delivered = 0;
          for (const { flags, at, bytes } of packets) {
            const before = expected;
            react(states.tcp, 1_000, expected, segmentOf(flags & ~flagSyn & ~flagFin, (expected + at) >>> 0, 1_000, bytes), reaction);
            delivered += reaction.deliverBytes;
            expected = reaction.expected;
            assert.equal((expected - before) >>> 0, reaction.deliverBytes);
            assert.ok(reaction.deliverBytes === 0 || reaction.deliverFrom + reaction.deliverBytes === 40 + bytes);
          }
          assert.equal((expected - 0xfffffff0) >>> 0, delivered);
        },
      ),
      { seed: 14, numRuns: 2_000 },
    );
  });

  it('begins with sequence numbers that differ by key and number', () => {
    const numbers = new Set(Array.from({ length: 10_000 }, (_value, number) => initialSequence(number, 1)));
    assert.ok(numbers.size > 9_990);
    assert.notEqual(initialSequence(1, 1), initialSequence(1, 2));
  });
});

describe('numbers of connections', () => {
  const target = (serverPort: number, connections: number, room?: number) => ({
    source: null,
    address: '198.18.0.1',
    port: serverPort,
    protocol: 'tcp' as const,
    connections,
    ...(room === undefined ? {} : { room }),
  });

  it('are found again from the packet, for each of them', () => {
    const numbering = new Numbering([target(8_001, 130_000), target(8_002, 3), target(9_000, 70_000)], { firstSource: '198.19.0.2' });
    assert.equal(numbering.capacity, 200_003);
    for (let number = 0; number < numbering.capacity; number++) {
      const owner = numbering.targetOf(number);
      const found = numbering.numberOf(owner.plan.port, numbering.sourceOf(number, owner), numbering.sourcePortOf(number, owner));
      if (found !== number) assert.equal(found, number);
    }
  });

  const foreign: [string, number, string, number][] = [
    ['another port of the server', 8_003, '198.19.0.2', 1_024],
    ['an address before the range', 8_001, '198.19.0.1', 1_024],
    ['an address beyond the last connection', 8_001, '198.19.0.9', 1_024],
    ['a port before the first', 8_001, '198.19.0.2', 1_023],
    ['a port beyond the last', 8_001, '198.19.0.2', 65_100],
  ];
  for (const [name, serverPort, address, sourcePort] of foreign) {
    it(`${name} belongs to none`, () => {
      const numbering = new Numbering([target(8_001, 100)], { firstSource: '198.19.0.2' });
      assert.equal(numbering.numberOf(serverPort, addressNumber(address), sourcePort), -1);
    });
  }

  it('are handed out in turn, each once, and above the share only when all have theirs', () => {
    const numbering = new Numbering([target(8_001, 2, 4), target(8_002, 3)], { firstSource: '198.19.0.2' });
    const chosen = Array.from({ length: 8 }, () => numbering.choose());
    assert.deepEqual(chosen, [0, 4, 1, 5, 6, 2, 3, -1]);
    numbering.release(5);
    assert.equal(numbering.choose(), 5);
  });
});

describe('attempts', () => {
  it('are repeated each second, given up after half a minute, and never more than the window', () => {
    const retried: number[] = [];
    const givenUp: number[] = [];
    const attempts: Attempts = new Attempts(
      1_000,
      (number) => retried.push(number),
      (number) => {
        attempts.forget(number);
        givenUp.push(number);
      },
    );
    const roomNow = () => attempts.room;
    const room = roomNow();
    for (let number = 0; number < room; number++) attempts.begin(number, 0);
    assert.equal(roomNow(), 0);
    for (let number = 1; number < room; number++) attempts.succeed(number);
    assert.equal(roomNow(), room - 1 + room - 1, 'each success makes the window larger');
    for (let now = 0; now <= 40_000; now += 100) attempts.onTurn(now);
    assert.deepEqual([retried.length, givenUp], [29, [0]]);
    assert.ok(roomNow() >= 64 && roomNow() < 100, 'drops have halved the window to its least');
  });
});
