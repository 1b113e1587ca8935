import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LinkEnd } from '../../src/core/run/linkStates.js';
import { outcomeOf, outcomeWithoutServer, type PartsEnd, problemOf, serverProblem } from '../../src/core/run/outcome.js';
import { summary } from './builders/samples.js';

const failed: LinkEnd = { is: 'seen', summary: summary({ verdict: 'failed', reason: 'out of memory' }) };
const unseen: LinkEnd = { is: 'unseen', why: 'no route' };

describe('how a run over several hosts came out', () => {
  const cases: [name: string, end: Partial<PartsEnd>, expected: string][] = [
    ['all is well', {}, 'finished'],
    [
      'a stop outweighs what it caused',
      { stopReason: 'Stopped by the user.', serverProblem: 'a: gone', clientProblems: ['b: gone'] },
      'stopped: Stopped by the user.',
    ],
    ['the servers ended first', { serverProblem: 'a: gone', clientProblems: ['b: gone'] }, 'failed: a: gone b: gone'],
    ['one of two client hosts failed', { clientProblems: ['b: gone'] }, 'finished: b: gone'],
    ['one of two client hosts failed, and none may', { clientProblems: ['b: gone'], failOnClientHostLoss: true }, 'failed: b: gone'],
    ['both client hosts failed', { clientProblems: ['b: gone', 'c: gone'] }, 'failed: b: gone c: gone'],
  ];
  for (const [name, end, expected] of cases) {
    it(name, () => {
      const { verdict, reason } = outcomeOf({
        stopReason: undefined,
        serverProblem: undefined,
        clientProblems: [],
        clients: 2,
        failOnClientHostLoss: false,
        ...end,
      });
      assert.equal([verdict, ...(reason === undefined ? [] : [reason])].join(': '), expected);
    });
  }

  const ends: [name: string, end: LinkEnd | undefined, problem: string | undefined, server: string][] = [
    ['it failed', failed, 'out of memory', "a: the server's part ended before the clients were done."],
    ['its end was not seen', unseen, 'its end was not seen: no route', "a: the server's host was out of reach, and its end was not seen (no route)"],
    ['it did not begin', { is: 'notBegun', error: new Error('busy') }, 'busy', "a: the server's part ended before the clients were done."],
    ['it finished', { is: 'seen', summary: summary() }, undefined, "a: the server's part ended before the clients were done."],
    ['it was released', undefined, undefined, "a: the server's part ended before the clients were done."],
  ];
  for (const [name, end, problem, server] of ends) {
    it(`one host: ${name}`, () => assert.deepEqual([problemOf(end), serverProblem('a', end)], [problem, server]));
  }

  it('servers that never listened', () => {
    assert.deepEqual(outcomeWithoutServer('a', failed, undefined), { verdict: 'failed', reason: 'a: out of memory' });
    assert.deepEqual(outcomeWithoutServer('a', { is: 'seen', summary: summary() }, undefined), { verdict: 'failed', reason: 'a: it ended' });
    assert.deepEqual(outcomeWithoutServer('a', unseen, 'Stopped by the user.'), { verdict: 'stopped', reason: 'Stopped by the user.' });
  });
});
