import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import type { RunEvent } from '../../src/protocol/events.js';
import { StreamRelayChannel } from '../../src/transport/relayChannel.js';

function fakeRelay() {
  const input = new PassThrough();
  const output = new PassThrough();
  const errors = new PassThrough();
  let endedWith: (reason: string) => void = () => undefined;
  let ends = 0;
  const channel = new StreamRelayChannel({
    input,
    output,
    errors,
    ended: new Promise<string>((resolve) => {
      endedWith = resolve;
    }),
    end: () => {
      ends += 1;
    },
  });
  return { channel, output, errors, endWith: (reason: string) => endedWith(reason), written: () => String(input.read() ?? ''), ends: () => ends };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));
const phaseLine = '{"type":"phase","seq":1,"t":0,"phase":"probing"}\n';

test('a request is written as one line and resolves with the value of its own reply', async () => {
  const relay = fakeRelay();
  const first = relay.channel.request<{ runId: string }>((id) => ({ type: 'attach', id, runId: 'r1', fromSeq: 1 }));
  const second = relay.channel.request((id) => ({ type: 'list', id }));
  assert.equal(relay.written(), '{"type":"attach","id":1,"runId":"r1","fromSeq":1}\n{"type":"list","id":2}\n');
  relay.output.write('{"type":"reply","id":2,"ok":true,"value":[]}\n{"type":"reply","id":1,"ok":true,"value":{"runId":"r1"}}\n');
  assert.deepEqual([await first, await second], [{ runId: 'r1' }, []]);
});

test('an error reply rejects with the same HumanError', async () => {
  const relay = fakeRelay();
  const request = relay.channel.request((id) => ({ type: 'list', id }));
  relay.output.write('{"type":"reply","id":1,"ok":false,"error":{"code":"busy","message":"Taken.","remedy":"Wait."}}\n');
  await assert.rejects(request, (error) => error instanceof HumanError && error.code === 'busy' && error.remedy === 'Wait.');
});

test('events, noise and chunk borders', async () => {
  const relay = fakeRelay();
  const events: RunEvent[] = [];
  const noise: string[] = [];
  relay.channel.onEvent((event) => events.push(event));
  relay.channel.onNoise((line) => noise.push(line));
  relay.output.write('Welcome to the host, grüß dich\n\n{"type":"phase","seq":0}\n');
  relay.errors.write('a warning\n');
  for (const byte of Buffer.from(phaseLine)) relay.output.write(Buffer.of(byte));
  await settle();
  assert.deepEqual(events, [{ type: 'phase', seq: 1, t: 0, phase: 'probing' }]);
  assert.deepEqual(noise.sort(), ['Welcome to the host, grüß dich', 'a warning', '{"type":"phase","seq":0}']);
});

test('the end of the relay rejects what is pending, tells the reason once with the last words, and refuses what follows', async () => {
  const relay = fakeRelay();
  const reasons: string[] = [];
  relay.channel.onClose((reason) => reasons.push(reason));
  const pending = relay.channel.request((id) => ({ type: 'list', id }));
  relay.errors.write('boom\n');
  await settle();
  relay.endWith('The link was lost.');
  await assert.rejects(pending, { code: 'unreachable', message: 'The link was lost. Its last words: boom' });
  await assert.rejects(
    relay.channel.request((id) => ({ type: 'list', id })),
    { code: 'unreachable' },
  );
  relay.channel.close();
  relay.channel.onClose((reason) => reasons.push(reason));
  assert.deepEqual(reasons, ['The link was lost. Its last words: boom', 'The link was lost. Its last words: boom']);
  assert.equal(relay.ends(), 1);
});

test('a signal cancels one request and its late reply is ignored', async () => {
  const relay = fakeRelay();
  const controller = new AbortController();
  const request = relay.channel.request((id) => ({ type: 'list', id }), controller.signal);
  controller.abort();
  await assert.rejects(request, { code: 'cancelled' });
  relay.output.write('{"type":"reply","id":1,"ok":true,"value":1}\n');
  const next = relay.channel.request((id) => ({ type: 'list', id }));
  relay.output.write('{"type":"reply","id":2,"ok":true,"value":2}\n');
  assert.equal(await next, 2);
});

test('a relay that sends what no run sends is listened to no more, whatever it sends', async () => {
  const event = (seq: number, text: string) => `${JSON.stringify({ type: 'log', seq, t: 0, level: 'info', text })}\n`;
  const floods: [name: string, write: (relay: ReturnType<typeof fakeRelay>) => void][] = [
    ['large events', (relay) => relay.output.write(event(1, 'x'.repeat(60_000)).repeat(500))],
    ['many events', (relay) => relay.output.write(event(1, 'x').repeat(11_000))],
    ['no line at all', (relay) => relay.output.write(Buffer.alloc(26 * 1024 * 1024, 'x'))],
    ['empty lines', (relay) => relay.output.write(Buffer.alloc(26 * 1024 * 1024, '\n'))],
    ['complaints', (relay) => relay.errors.write(Buffer.alloc(26 * 1024 * 1024, '!\n'))],
  ];
  for (const [name, write] of floods) {
    const relay = fakeRelay();
    const reasons: string[] = [];
    let noise = 0;
    relay.channel.onNoise(() => noise++);
    relay.channel.onClose((reason) => reasons.push(reason));
    const pending = relay.channel.request((id) => ({ type: 'list', id }));
    write(relay);
    await assert.rejects(pending, (error) => error instanceof HumanError && error.code === 'failed' && /sends what no run sends/.test(error.message), name);
    assert.deepEqual([relay.channel.isFlooded, reasons.length, relay.ends()], [true, 1, 1], name);
    assert.match(relay.written(), /"type":"stop"/, name);
    assert.ok(noise <= 1_000, `${name}: ${noise} lines of noise`);
  }
});

test('what a long run has missed may come at once, and an event that is too long for its kind is noise', async () => {
  const relay = fakeRelay();
  let events = 0;
  const noise: string[] = [];
  relay.channel.onEvent(() => events++);
  relay.channel.onNoise((line) => noise.push(line));
  relay.channel.expectReplay(3_600);
  relay.output.write(phaseLine.repeat(100_000));
  relay.output.write(`${JSON.stringify({ type: 'log', seq: 1, t: 0, level: 'info', text: 'x'.repeat(70_000) })}\n`);
  await settle();
  assert.deepEqual([events, relay.channel.isFlooded, noise.length], [100_000, false, 1]);
});
