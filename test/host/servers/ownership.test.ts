import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { identityOf, signalProcess, type ProcessIdentity } from '../../../src/linux/process.js';
import { specFor } from '../faults/remoteRun.js';
import { openRelayWithState, skipWithoutAgent } from '../support/localRelay.js';
import { selectCases } from '../support/selection.js';
import { freePort } from '../support/workerProcess.js';

const skip = skipWithoutAgent || (process.getuid?.() === 0 ? false : 'needs root for a network namespace');
const stubborn = join(import.meta.dirname, 'stubborn.py');

/** How each program gets away from the command that starts it, with the words before it. All of them ignore SIGTERM. */
const methods: Record<string, string> = {
  fork: '',
  daemonize: '',
  setsid: 'setsid -f',
  // Without the marker of the run in its environment: what a program does that writes its title over it.
  title: 'setsid -f env -i PATH="$PATH"',
  namespace: 'env -i PATH="$PATH" unshare -n',
};

const server = 'exec python3 -c \'import socket,time; s=socket.create_server(("127.0.0.1", {port}), backlog=512); a=[]\nwhile True: a.append(s.accept())\'';
const silent = 'exec sleep 60';

type Relay = ReturnType<typeof openRelayWithState>;

interface Ends {
  supervisor: ProcessIdentity;
  guardian: ProcessIdentity;
  worker: ProcessIdentity;
}

const kill = (identity: ProcessIdentity) => assert.ok(signalProcess(identity, 'SIGKILL'));

/** Ends of a run that is attached to a server which is not its own. */
const attachedEnds = ['finished', 'stopped', 'killed worker', 'killed supervisor', 'killed guardian and supervisor', 'killed guardian, supervisor and worker'];

/** What ends the run once the stubborn programs run. */
const ends: Record<string, { server?: string; holdSeconds?: number; act?: (relay: Relay, ends: Ends) => unknown; leavesWhole?: boolean; isTypical?: boolean }> =
  {
    finished: { holdSeconds: 1 },
    stopped: { isTypical: true, act: (relay) => relay.value((id) => ({ type: 'stop', id })) },
    'stopped while it starts': { server: silent, act: (relay) => relay.value((id) => ({ type: 'stop', id })) },
    'start timeout': { server: silent },
    'killed worker': { act: (_relay, { worker }) => kill(worker) },
    'killed supervisor': { act: (_relay, { supervisor }) => kill(supervisor) },
    'killed guardian and supervisor': {
      act(_relay, { supervisor, guardian }) {
        // In this order: a supervisor replaces a guardian that dies.
        kill(supervisor);
        kill(guardian);
      },
    },
    'killed guardian, supervisor and worker': {
      isTypical: true,
      async act(relay, { supervisor, guardian, worker }) {
        // In this order: a supervisor replaces a guardian that dies.
        kill(supervisor);
        kill(guardian);
        kill(worker);
        await relay.value((id) => ({ type: 'restore', id, dryRun: false }));
      },
    },
  };

describe('nothing that a command started survives an end of its run', { skip, timeout: 120_000 }, () => {
  const left: ProcessIdentity[] = [];
  after(() => {
    for (const identity of left) signalProcess(identity, 'SIGKILL');
  });

  const table = Object.entries(ends).map(([name, end]) => ({ name, ...end }));
  for (const { each } of selectCases(table, undefined)) {
    const { name: end, server: text = server, holdSeconds = 60, act } = each;
    it(`${end}: ${Object.keys(methods).join(', ')}`, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'c10m-stubborn-'));
      t.after(() => rmSync(directory, { recursive: true, force: true }));
      const started = Object.entries(methods).map(([method, words]) => `${words} python3 ${stubborn} ${directory} ${method} &`);
      // The server comes last, so that all the others are there before the run can hold.
      const waits = Object.keys(methods).map((method) => `while [ ! -e ${directory}/${method} ]; do sleep 0.02; done`);
      const relay = openRelayWithState(t);
      const command = [...started, ...waits, text].join('\n');
      const spec = specFor({
        connections: 20,
        engine: 'command',
        command,
        isolation: 'host',
        firstPort: freePort(),
        ports: 1,
        holdSeconds,
        startTimeoutSeconds: text === silent && act === undefined ? 2 : 20,
      });
      await relay.value((id) => ({ type: 'start', id, runId: 'owned', owner: 'me', spec }));
      for (let tries = 0; tries < 1_000 && !Object.keys(methods).every((method) => existsSync(join(directory, method))); tries++) await delay(10);
      const identities = Object.keys(methods).map((method) => ({ method, identity: identityOf(Number(readFileSync(join(directory, method), 'utf8'))) }));
      for (const { method, identity } of identities) {
        assert.ok(identity !== undefined, `${method} runs`);
        left.push(identity);
      }
      if (text === server) await relay.waitFor('phase', ({ phase }) => phase === 'holding');
      await act?.(relay, endsOf(relay));
      if (!end.includes('killed guardian')) await relay.waitFor('summary');
      for (let tries = 0; tries < 400 && identities.some(({ identity }) => identityOf(identity!.pid)?.startTime === identity!.startTime); tries++)
        await delay(10);
      const survivors = identities.filter(({ identity }) => identityOf(identity!.pid)?.startTime === identity!.startTime).map(({ method }) => method);
      assert.deepEqual(survivors, []);
    });
  }
});

describe('an attached server survives every end of a run', { skip, timeout: 120_000 }, () => {
  for (const end of attachedEnds) {
    it(end, async (t) => {
      const port = freePort();
      const accepting = 'import socket,sys; s=socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512); a=[]\nwhile True: a.append(s.accept())';
      const child = spawn('python3', ['-c', accepting, String(port)], { stdio: 'ignore' });
      t.after(() => child.kill('SIGKILL'));
      const relay = openRelayWithState(t);
      const isThere = async () => JSON.stringify(await relay.value((id) => ({ type: 'servers', id }))).includes(`"port":${port}`);
      for (let tries = 0; tries < 100 && !(await isThere()); tries++) await delay(50);
      const before = identityOf(child.pid ?? 0);
      const { act, holdSeconds = 60 } = ends[end]!;
      const spec = specFor({ connections: 20, engine: 'attach', attach: String(port), isolation: 'host', tuning: 'none', holdSeconds });
      await relay.value((id) => ({ type: 'start', id, runId: 'owned', owner: 'me', spec }));
      await relay.waitFor('phase', ({ phase }) => phase === 'holding');
      await act?.(relay, endsOf(relay));
      if (end.includes('killed guardian')) await waitUntilGone(endsOf(relay).worker);
      else await relay.waitFor('summary');
      assert.deepEqual(identityOf(child.pid ?? 0), before);
      assert.equal(await isThere(), true, 'it listens as before');
    });
  }
});

/** The processes of the run, by what it said of them. */
function endsOf(relay: Relay): Ends {
  const pidOf = (role: string) => {
    const event = relay.events.findLast((one) => one.type === 'worker' && one.role === role && one.pid !== undefined);
    return event?.type === 'worker' ? (event.pid ?? 0) : 0;
  };
  const hello = relay.events.find((event) => event.type === 'hello');
  const find = (pid: number): ProcessIdentity => identityOf(pid) ?? { pid: 0, startTime: 0 };
  return { supervisor: find(hello?.type === 'hello' ? hello.supervisorPid : 0), guardian: find(pidOf('guardian')), worker: find(pidOf('server')) };
}

async function waitUntilGone(identity: ProcessIdentity): Promise<void> {
  for (let tries = 0; tries < 400 && identityOf(identity.pid)?.startTime === identity.startTime; tries++) await delay(10);
}
