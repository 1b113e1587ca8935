import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HalfOpenWatch } from '../../src/core/walls/halfOpen.js';
import { sample, type SampleChanges } from './builders/samples.js';

const at = (server: number, client: number, found = 0, changes: SampleChanges = {}): SampleChanges => ({
  phase: 'holding',
  established: { server, client },
  connecting: 0,
  failed: { total: found, byErrno: found === 0 ? {} : { halfOpen: found } },
  ...changes,
});
const times = (count: number, changes: SampleChanges) => Array.from({ length: count }, () => changes);

/** Index of each sample that had an answer, and the answer: `prove`, or the wall's id. */
function answers(samples: SampleChanges[], engine = 'epoll', isExplained = false): string[] {
  const watch = new HalfOpenWatch(engine);
  return samples.flatMap((changes, index) => {
    const answer = watch.observeSample(sample({ t: index * 1_000, ...changes }), isExplained);
    return answer === undefined ? [] : [`${index} ${answer === 'prove' ? answer : answer.id}`];
  });
}

const stories: [string, SampleChanges[], string[], string?][] = [
  ['both sides have the same', times(20, at(4_000, 4_000)), []],
  ['the server has more: clients that went are still to be closed', times(20, at(4_010, 4_000)), []],
  ['a server that is late but moves', Array.from({ length: 20 }, (_value, index) => at(3_000 + 50 * index, 4_000)), []],
  ['handshakes under way', times(20, at(3_998, 4_000, 0, { connecting: 2 })), []],
  ['two missing for three seconds', times(4, at(3_998, 4_000)), ['3 prove']],
  ['at the end of the ramp too', times(4, at(3_998, 4_000, 0, { phase: 'ramping' })), ['3 prove']],
  ['not while they are closed', times(20, at(3_998, 4_000, 0, { phase: 'draining' })), []],
  ['found, opened again, all there', [...times(4, at(3_998, 4_000)), at(3_998, 3_998, 2), ...times(20, at(4_000, 4_000, 2))], ['3 prove']],
  ['found again: proven again', [...times(4, at(3_000, 4_000)), at(3_000, 3_000, 1_000), ...times(4, at(3_500, 4_000, 1_000))], ['3 prove', '8 prove']],
  ['a proof that finds nothing: they wait to be accepted', times(12, at(3_000, 4_000)), ['3 prove', '9 serverAccept']],
  [
    'five proofs that find some each: named, once',
    Array.from({ length: 8 }, (_value, round) => times(7, at(3_000 + round, 4_000, round * 10))).flat(),
    ['3 prove', '10 prove', '17 prove', '24 prove', '31 prove', '41 halfOpen'],
  ],
  ['a server of the user, counted with the sockets of others', times(20, at(3_985, 4_000)), [], 'command'],
  ['a server of the user that misses many', times(4, at(3_900, 4_000)), ['3 prove'], 'command'],
];

describe('connections that only the clients know', () => {
  for (const [title, samples, expected, engine] of stories) it(title, () => assert.deepEqual(answers(samples, engine), expected));

  it('names no second wall where one is known that keeps a server from accepting', () => {
    assert.deepEqual(answers(times(12, at(3_000, 4_000)), 'epoll', true), ['3 prove']);
  });

  it('says how many, and what the kernel of the server counted', () => {
    const watch = new HalfOpenWatch('epoll');
    const netstat = { 'TcpExt.ListenOverflows': 3_871, 'TcpExt.TCPReqQFullDoCookies': 3_151 };
    const texts = Array.from({ length: 8 }, (_value, round) => times(7, at(3_000 + round, 4_000, round * 10, { netstat }))).flat();
    const told = texts.map((changes, index) => watch.observeSample(sample({ t: index, ...changes }), true)).find((answer) => typeof answer === 'object');
    assert.deepEqual(told, {
      id: 'halfOpen',
      text: "995 connections are known to the clients only, after 50 such were opened again; the server's kernel counts ListenOverflows 3,871, TCPReqQFullDoCookies 3,151",
    });
  });
});
