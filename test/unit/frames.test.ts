import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyMask, closePayload, frame, isSendableCloseCode, opcodes } from '../../src/worker/websocket/frames.js';
import { maximumMessageBytes, MessageReader, type MessageHandler } from '../../src/worker/websocket/messages.js';

const fd = 7;
const seed = 20141011;

interface Heard {
  kind: string;
  opcode?: number;
  text?: string;
  code?: number;
}

/** A reader whose events are written down; messages and payloads as hex. */
function listen(expectsMask: boolean): { reader: MessageReader; heard: Heard[] } {
  const heard: Heard[] = [];
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const handler: MessageHandler = {
    message: (_fd, opcode, bytes, start, end) => heard.push({ kind: 'message', opcode, text: hex(bytes.subarray(start, end)) }) > 0,
    ping: (_fd, payload) => heard.push({ kind: 'ping', text: hex(payload) }) > 0,
    pong: (_fd, payload) => void heard.push({ kind: 'pong', text: hex(payload) }),
    close: (_fd, code) => void heard.push({ kind: 'close', code }),
    violation: (_fd, code) => void heard.push({ kind: 'violation', code }),
  };
  return { reader: new MessageReader(expectsMask, handler), heard };
}

/** Passes bytes in chunks that end at the given fractions. */
function feed(reader: MessageReader, bytes: Uint8Array, cuts: readonly number[]): void {
  const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    if (end > start) {
      // As a worker does: one Buffer for all reads.
      const buffer = Buffer.from(bytes.subarray(start, end));
      reader.receive(fd, buffer, 0, buffer.length);
      buffer.fill(0xee);
    }
    start = end;
  }
}

/** A frame with its FIN bit taken away. */
function unfinished(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[0] = copy[0]! & 0x7f;
  return copy;
}

const mask = fc.uint8Array({ minLength: 4, maxLength: 4 });
const messageArbitrary = fc.record({
  text: fc.option(fc.string({ unit: 'binary', maxLength: 200 }), { nil: undefined }),
  bytes: fc.uint8Array({ maxLength: 70_000, size: 'medium' }),
  fragments: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
  mask,
});

test('messages come out as they went in, however they are fragmented, masked and cut', () => {
  fc.assert(
    fc.property(
      fc.array(messageArbitrary, { minLength: 1, maxLength: 6 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
      fc.boolean(),
      (messages, cuts, isServer) => {
        const wire: Uint8Array[] = [];
        const expected: Heard[] = [];
        for (const message of messages) {
          const key = isServer ? message.mask : null;
          const payload = message.text === undefined ? message.bytes : Buffer.from(message.text, 'utf8');
          const opcode = message.text === undefined ? opcodes.binary : opcodes.text;
          const ends = [...message.fragments.map((cut) => Math.floor(cut * payload.length)), payload.length].sort((a, b) => a - b);
          let start = 0;
          ends.forEach((end, index) => {
            const isLast = index === ends.length - 1;
            const one = frame(index === 0 ? opcode : opcodes.continuation, payload.subarray(start, end), key);
            wire.push(isLast ? one : unfinished(one));
            start = end;
            if (message.ping !== undefined && index === 0) {
              wire.push(frame(opcodes.ping, message.ping, key));
              expected.push({ kind: 'ping', text: Buffer.from(message.ping).toString('hex') });
            }
            if (isLast) expected.push({ kind: 'message', opcode, text: Buffer.from(payload).toString('hex') });
          });
          // A ping that follows an unfragmented message is heard behind it.
          if (message.ping !== undefined && ends.length === 1) expected.push(...expected.splice(-2).reverse());
        }
        const { reader, heard } = listen(isServer);
        feed(reader, Buffer.concat(wire), cuts);
        assert.deepEqual(heard, expected);
        assert.equal(reader.partialCount, 0, 'nothing is kept for a connection between messages');
      },
    ),
    { seed, numRuns: 300 },
  );
});

test('any bytes end in messages, in one close or in one violation, and in nothing after it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
      (parts, cuts) => {
        const whole = listen(true);
        whole.reader.receive(fd, Buffer.concat(parts), 0, Buffer.concat(parts).length);
        const final = (heard: Heard[]) => heard.findIndex(({ kind }) => kind === 'close' || kind === 'violation');
        const { heard } = whole;
        assert.ok(final(heard) === -1 || final(heard) === heard.length - 1);
        // The same bytes in other chunks say the same, as far as the first end.
        const other = listen(true);
        const bytes = Buffer.concat(parts);
        let start = 0;
        for (const cut of [...cuts].sort((a, b) => a - b).concat(1)) {
          const end = Math.floor(cut * bytes.length);
          if (final(other.heard) === -1 && end > start) other.reader.receive(fd, Uint8Array.from(bytes.subarray(start, end)), 0, end - start);
          start = Math.max(start, end);
        }
        assert.deepEqual(other.heard, heard);
      },
    ),
    { seed, numRuns: 2_000 },
  );
});

test('masking twice gives the bytes back, and only in the range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 3, maxLength: 100 }), mask, (bytes, key) => {
      const masked = Uint8Array.from(bytes);
      applyMask(masked, 1, masked.length - 1, key, 0);
      assert.deepEqual([masked[0], masked.at(-1)], [bytes[0], bytes.at(-1)]);
      for (let index = 1; index < bytes.length - 1; index++) assert.equal(masked[index], bytes[index]! ^ key[(index - 1) % 4]!);
    }),
    { seed },
  );
});

const zeroMask = new Uint8Array(4);
const text = (words: string) => Buffer.from(words, 'utf8');
const masked = (opcode: number, payload: Uint8Array) => frame(opcode, payload, zeroMask);
const withFirstByte = (first: number, bytes: Uint8Array) => Uint8Array.from([first, ...bytes.subarray(1)]);

const malformed: Record<string, { bytes: Uint8Array; code: number }> = {
  'not masked': { bytes: frame(opcodes.text, text('a'), null), code: 1002 },
  'reserved bit 1': { bytes: withFirstByte(0xc1, masked(opcodes.text, text('a'))), code: 1002 },
  'reserved bit 3': { bytes: withFirstByte(0x91, masked(opcodes.text, text('a'))), code: 1002 },
  'reserved data opcode 3': { bytes: masked(0x3, text('a')), code: 1002 },
  'reserved control opcode 11': { bytes: masked(0xb, text('')), code: 1002 },
  'fragmented ping': { bytes: unfinished(masked(opcodes.ping, text('a'))), code: 1002 },
  'ping of 126 bytes': { bytes: masked(opcodes.ping, new Uint8Array(126)), code: 1002 },
  'continuation of nothing': { bytes: masked(opcodes.continuation, text('a')), code: 1002 },
  'a message inside a message': { bytes: Buffer.concat([unfinished(masked(opcodes.text, text('a'))), masked(opcodes.text, text('b'))]), code: 1002 },
  'length 125 written in 16 bits': { bytes: Uint8Array.from([0x82, 0xfe, 0, 125, 0, 0, 0, 0]), code: 1002 },
  'length 65535 written in 64 bits': { bytes: Uint8Array.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), code: 1002 },
  'length with the highest bit': { bytes: Uint8Array.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0]), code: 1002 },
  'longer than the maximum': { bytes: Uint8Array.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1]), code: 1009 },
  'fragments longer than the maximum': {
    bytes: Buffer.concat([unfinished(masked(opcodes.binary, new Uint8Array(maximumMessageBytes))), masked(opcodes.continuation, text('a'))]),
    code: 1009,
  },
  'text that is not UTF-8': { bytes: masked(opcodes.text, Uint8Array.from([0xc3, 0x28])), code: 1007 },
  'text with a surrogate': { bytes: masked(opcodes.text, Uint8Array.from([0xed, 0xa0, 0x80])), code: 1007 },
  'text cut in a character': { bytes: masked(opcodes.text, Uint8Array.from([0xe2, 0x82])), code: 1007 },
  'fragmented text that is not UTF-8': {
    bytes: Buffer.concat([unfinished(masked(opcodes.text, Uint8Array.from([0xe2]))), masked(opcodes.continuation, Uint8Array.from([0x28, 0xa1]))]),
    code: 1007,
  },
  'close with one byte': { bytes: masked(opcodes.close, Uint8Array.from([3])), code: 1002 },
  'close with code 999': { bytes: masked(opcodes.close, closePayload(999)), code: 1002 },
  'close with code 1005': { bytes: masked(opcodes.close, Uint8Array.from([3, 0xed])), code: 1002 },
  'close with code 1006': { bytes: masked(opcodes.close, closePayload(1006)), code: 1002 },
  'close with code 2999': { bytes: masked(opcodes.close, closePayload(2999)), code: 1002 },
  'close with code 5000': { bytes: masked(opcodes.close, closePayload(5000)), code: 1002 },
  'close with a reason that is not UTF-8': { bytes: masked(opcodes.close, Uint8Array.from([3, 0xe8, 0xff])), code: 1007 },
};

test('malformed frames are refused with the right code', () => {
  for (const [name, { bytes, code }] of Object.entries(malformed)) {
    const { reader, heard } = listen(true);
    feed(reader, bytes, []);
    assert.deepEqual(heard.at(-1), { kind: 'violation', code }, name);
    assert.equal(reader.partialCount, 0, name);
  }
});

test('text split inside a character, close codes and pongs are taken', () => {
  const euro = Uint8Array.from([0xe2, 0x82, 0xac]);
  const wire = Buffer.concat([
    unfinished(masked(opcodes.text, euro.subarray(0, 1))),
    masked(opcodes.continuation, euro.subarray(1)),
    masked(opcodes.pong, text('x')),
    masked(opcodes.close, closePayload(4999)),
  ]);
  const { reader, heard } = listen(true);
  feed(reader, wire, [0.1, 0.3, 0.5]);
  assert.deepEqual(heard, [
    { kind: 'message', opcode: 1, text: 'e282ac' },
    { kind: 'pong', text: '78' },
    { kind: 'close', code: 4999 },
  ]);
  assert.deepEqual(
    [999, 1000, 1003, 1004, 1005, 1006, 1011, 1014, 1015, 2999, 3000, 4999, 5000].filter(isSendableCloseCode),
    [1000, 1003, 1011, 1014, 3000, 4999],
  );
});

test('a peer that sends single bytes is understood, and forgotten when it goes', () => {
  const { reader, heard } = listen(true);
  const wire = masked(opcodes.binary, new Uint8Array(300).fill(9));
  for (const byte of wire) reader.receive(fd, Uint8Array.of(byte), 0, 1);
  assert.equal(heard.length, 1);
  reader.receive(fd, wire.slice(0, 50), 0, 50);
  assert.equal(reader.partialCount, 1);
  reader.forget(fd);
  assert.equal(reader.partialCount, 0);
});
