import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { openingOf } from '../../src/core/opening/openings.js';
import type { Opening } from '../../src/protocol/opening.js';
import { KeepAlives } from '../../src/worker/opening/keepAlive.js';
import { OpeningDesk, type OpeningHost } from '../../src/worker/opening/openingDesk.js';

/** One client connection with the descriptor 5, and all that happens to it. */
function conversation(opening: Opening, secrets: Record<string, string> = {}) {
  const log: string[] = [];
  const host: OpeningHost = {
    has: (fd) => fd === 5,
    send: (_fd, bytes) => log.push(`> ${Buffer.from(bytes).toString('latin1')}`) > 0,
    ping: () => log.push('> ping') > 0,
    names: () => ({ connection: 5, host: 'a.test', port: 80 }),
    opened: () => log.push('opened'),
    setDeadline: () => undefined,
    failed: (_fd, step, answer) => log.push(`failed at ${step}: ${Buffer.from(answer).toString('latin1')}`),
  };
  const desk = new OpeningDesk(opening, secrets, host);
  desk.opener.begin(5, 0);
  const receive = (text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    desk.opener.received(5, bytes, 0, bytes.length, 0);
  };
  return { log, receive, desk };
}

const greeting: Opening = { steps: [{ expect: { prefix: 'HI' } }, { send: 'ME {env:TOKEN}' }, { expect: { prefix: 'OK' } }] };

const conversations: Record<string, { opening: Opening; received: string[]; log: string[] }> = {
  'all in order': { opening: greeting, received: ['HI', 'OK'], log: ['> ME s3cret', 'opened'] },
  'bytes one by one': { opening: greeting, received: ['H', 'I', 'O', 'K'], log: ['> ME s3cret', 'opened'] },
  'what came before a question is no part of its answer': { opening: greeting, received: ['HI there', 'OK'], log: ['> ME s3cret', 'opened'] },
  'another answer fails at its step': { opening: greeting, received: ['HI', 'NO'], log: ['> ME s3cret', 'failed at 3: NO'] },
  'a beginning that occurs twice': {
    opening: { steps: [{ expect: { contains: 'aab' } }] },
    received: ['aa', 'ab'],
    log: ['opened'],
  },
  'so many bytes': { opening: { steps: [{ expect: { bytes: 3 } }] }, received: ['ab', 'c'], log: ['opened'] },
  'a question of the server while it is opened': {
    opening: { ...openingOf('irc'), steps: [{ send: 'NICK' }, { expect: { contains: ' 001 ' } }] },
    received: ['PING :77\r\n', ':a 001 b'],
    log: ['> NICK', '> PONG :77\r\n', 'opened'],
  },
  'a ping of Engine.IO before the namespace is connected': {
    opening: openingOf('socket.io'),
    received: ['0{"sid":"a","pingInterval":2000}', '2', '40{"sid":"b"}'],
    log: ['> 40', '> 3', 'opened'],
  },
};

describe('an opening', () => {
  for (const [name, { opening, received, log: expected }] of Object.entries(conversations)) {
    it(name, () => {
      const { log, receive } = conversation(opening, { TOKEN: 's3cret' });
      for (const text of received) receive(text);
      assert.deepEqual(log, expected);
    });
  }

  for (const [name, opening, pattern] of [
    ['a secret that is not there', greeting, /Step 2 of the opening.*TOKEN/],
    ['an unknown name', { steps: [{ send: 'a' }, { send: '{nobody}' }] }, /Step 2 of the opening.*nobody/],
    ['a name in what is expected', { steps: [{ expect: { prefix: '{connection}' } }] }, /Step 1 of the opening/],
  ] satisfies [string, Opening, RegExp][]) {
    it(`${name}: one sentence with the step`, () => {
      assert.throws(
        () => conversation(opening),
        (error: unknown) => error instanceof HumanError && pattern.test(error.message),
      );
    });
  }
});

describe('keep-alives', () => {
  it('are spread over their period and each connection has one in it', () => {
    const sentAt: number[] = [];
    const connections = 1_000;
    let now = performance.now();
    const beganAt = now;
    const keepAlives = new KeepAlives(
      { everySeconds: 10, send: 'PING' },
      {},
      {
        has: (fd) => fd >= 10 && fd < 10 + connections,
        send: () => sentAt.push(now - beganAt) > 0,
        ping: () => false,
        names: () => ({ connection: 1, host: 'a', port: 1 }),
      },
    );
    for (let fd = 10; fd < 10 + connections; fd++) keepAlives.opened(fd);
    for (; now < beganAt + 20_000; now += 10) keepAlives.onTurn(now);
    assert.ok(Math.abs(sentAt.length - 2 * connections) <= 10, `${sentAt.length} sent in two periods`);
    const perSecond = Array.from({ length: 20 }, (_, second) => sentAt.filter((at) => Math.floor(at / 1_000) === second).length);
    for (const [second, count] of perSecond.entries()) assert.ok(count >= 85 && count <= 115, `${count} in second ${second}`);
  });
});
