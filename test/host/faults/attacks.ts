import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { RestoreReport } from '../../../src/protocol/commands.js';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import type { HostVariants, TestHost } from '../support/host.js';
import { endStrangers, startStrangers } from './decoys.js';
import { RemoteRun, specFor, stateDirectory, type Link } from './remoteRun.js';
import { agentPath } from './runCase.js';

/** One attack on a host: what lies in the way or what is done, and how it is met. */
export interface AttackCase {
  name: string;
  variants?: Partial<HostVariants>;
  /** Throws when it is met in any other way; `refused` and `survived` are for the table. */
  met: 'refused' | 'survived';
  attack(host: TestHost, open: OpenRun): Promise<unknown>;
}
/** A controller with a relay on the host, closed at the end of the case. */
export type OpenRun = (id: string, link?: Partial<Link>) => RemoteRun;

const lowFileMax = { 'fs/file-max': '5000' };
/** Where a run's files lie by default: no test's state directory is named. */
const byDefault = { isDirect: true, prefix: 'unset C10M_STATE_DIRECTORY XDG_RUNTIME_DIR XDG_STATE_HOME; export HOME=/root; exec' };
const read = async (host: TestHost, path: string) => (await host.exec(`cat ${path}`)).stdout.trim();

async function runToEnd(run: RemoteRun, input: Partial<RunSpecInput> = {}): Promise<void> {
  await run.start(specFor({ connections: 200, holdSeconds: 1, ...input }));
  const summary = await run.summary();
  assert.deepEqual([summary.verdict, summary.hostRestored], ['finished', true], summary.reason);
  await run.forget();
}

async function refused(run: RemoteRun, message: RegExp): Promise<void> {
  await assert.rejects(run.start(specFor({ connections: 200, holdSeconds: 1 })), message);
}

/** A lock that is not what only root can have made: refused with path, kind, owner and remedy, and left as it is. */
const lockCase = (what: string, make: string, message: RegExp): AttackCase => ({
  name: `the lock is ${what}`,
  met: 'refused',
  async attack(host, open) {
    await host.exec(make);
    const look = `stat -c '%F %U %h %s' /run/c10m /run/c10m/host.lock /run/root-file 2>&1; cat /run/root-file 2>&1`;
    const before = (await host.exec(look)).stdout;
    await refused(open('a', byDefault), message);
    assert.equal((await host.exec(look)).stdout, before);
    assert.equal((await host.exec('ls /root/.local/state/c10m/runs 2>/dev/null')).stdout, '', 'nothing of the run is left');
  },
});

const killKeepers = (run: RemoteRun) => `kill -STOP ${run.pidOf('supervisor')}; kill -9 ${run.pidOf('guardian')} ${run.pidOf('supervisor')}`;
const restore = (run: RemoteRun, dryRun = false) => run.request((id) => ({ type: 'restore', id, dryRun })) as Promise<RestoreReport>;

export const attackCases: readonly AttackCase[] = [
  lockCase('a FIFO', 'mkdir -p /run/c10m; chmod 755 /run/c10m; mkfifo /run/c10m/host.lock', /\/run\/c10m\/host\.lock .* a FIFO of user 0/),
  lockCase(
    'a symbolic link',
    'mkdir -p /run/c10m; ln -s /run/root-file /run/c10m/host.lock; echo x > /run/root-file',
    /host\.lock .* a symbolic link of user 0/,
  ),
  lockCase('a directory', 'mkdir -p /run/c10m/host.lock', /host\.lock .* a directory of user 0/),
  lockCase(
    'a hard link to a root file',
    'mkdir -p /run/c10m; echo x > /run/root-file; ln /run/root-file /run/c10m/host.lock',
    /host\.lock .* a file with 2 names of user 0/,
  ),
  lockCase('below a symbolic link', 'mkdir /run/elsewhere; ln -s /run/elsewhere /run/c10m', /\/run\/c10m .* a symbolic link of user 0/),
  lockCase("in somebody else's directory", 'mkdir /run/c10m; chown daemon /run/c10m', /\/run\/c10m .* a directory of user 1 /),
  {
    name: "a neighbour's FIFO at /tmp/c10m.lock",
    met: 'survived',
    async attack(host, open) {
      await host.exec('mkfifo -m 666 /tmp/c10m.lock');
      await runToEnd(open('a', byDefault));
      assert.equal((await host.exec('[ -p /tmp/c10m.lock ] && ls /run | grep -c c10m')).stdout.trim(), '0');
    },
  },
  {
    name: '/run and /tmp are read-only',
    met: 'survived',
    async attack(host, open) {
      await host.exec('mount -o remount,ro /run; mount -o remount,ro /tmp');
      await runToEnd(open('a', byDefault));
      assert.equal((await host.exec('ls /root/.local/state/c10m 2>/dev/null')).stdout, '');
    },
  },
  {
    name: 'two users at the same moment',
    variants: { users: [{ name: 'ann' }, { name: 'bob' }] },
    met: 'survived',
    async attack(_host, open) {
      const own = (user: string) => ({ user, prefix: 'unset C10M_STATE_DIRECTORY; exec' });
      const [ann, bob] = [open('ann', own('ann')), open('bob', own('bob'))];
      await Promise.all([ann, bob].map((run) => runToEnd(run, { holdSeconds: 3 })));
      const isSaid = [ann, bob].map((run) => run.events.some((event) => event.type === 'log' && event.text.includes('Another user has a run')));
      assert.ok(isSaid.includes(true), 'one of them at least hears of the other');
    },
  },
  {
    name: 'a user while root has a run',
    variants: { users: [{ name: 'ann' }] },
    met: 'refused',
    async attack(_host, open) {
      const root = open('root', byDefault);
      await root.start(specFor({ connections: 200, holdSeconds: 30 }));
      await root.waitForPhase('holding');
      await refused(open('ann', { user: 'ann', prefix: 'unset C10M_STATE_DIRECTORY; exec' }), /busy with the run root of tester@laptop/);
      root.send({ type: 'stop', id: 1_000 });
      assert.equal((await root.summary()).hostRestored, true);
      await root.forget();
    },
  },
  {
    name: 'a state directory that others can write',
    met: 'refused',
    async attack(host, open) {
      await host.exec(`mkdir -p -m 777 ${stateDirectory}-root/runs/planted; chmod 777 ${stateDirectory}-root`);
      await refused(open('a', { isDirect: true }), /can be written by others.*/);
      await assert.rejects(restore(open('b', { isDirect: true })), /can be written by others/);
    },
  },
  {
    name: 'a journal that names a key of its own',
    met: 'refused',
    async attack(host, open) {
      const run = open('a', { isDirect: true });
      await run.start(specFor({ connections: 200, holdSeconds: 30 }));
      await run.waitForPhase('holding');
      const entry = { key: 'kernel.hostname', original: '|/tmp/evil', ours: await read(host, '/proc/sys/kernel/hostname') };
      const journal = JSON.stringify({ runId: 'a', bootId: await read(host, '/proc/sys/kernel/random/boot_id'), entries: [entry] });
      await host.exec(`cat > ${stateDirectory}-root/runs/a/journal.json`, journal);
      await host.exec(`kill -9 $(cat ${stateDirectory}-root/runs/a/state.json | tr ',' '\\n' | grep -o '"pid":[0-9]*' | cut -d: -f2)`);
      const report = await restore(open('b', { isDirect: true }));
      assert.equal(report.complete, false);
      assert.match(report.notes.join(' '), /journal .* cannot be understood/);
      assert.equal(await read(host, '/proc/sys/kernel/hostname'), entry.ours);
    },
  },
  {
    name: 'sudo keeps the HOME of its caller',
    variants: { users: [{ name: 'ann' }] },
    met: 'survived',
    async attack(host, open) {
      await runToEnd(open('a', { isDirect: true, prefix: 'unset C10M_STATE_DIRECTORY; export HOME=/home/ann XDG_STATE_HOME=/home/ann/.state; exec' }));
      assert.equal((await host.exec('find /home/ann -user root')).stdout, '');
    },
  },
  ...['HOME= XDG_STATE_HOME=', 'HOME=relative XDG_STATE_HOME=also/relative XDG_RUNTIME_DIR=./x', `"HOME=/run/it's a \\\\ home"`].map((words): AttackCase => ({
    name: `the environment says ${words}`,
    met: 'survived',
    attack: (_host, open) =>
      runToEnd(open('a', { isDirect: true, prefix: `mkdir -p "/run/it's a \\\\ home"; cd /; unset C10M_STATE_DIRECTORY; export ${words}; exec` })),
  })),
  {
    name: "the number of a dead run's namespace is a stranger's now",
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = open('a', { isDirect: true });
      await run.start(specFor({ connections: 200, holdSeconds: 30 }));
      await run.waitForPhase('holding');
      const namespace = (await host.exec(`readlink /proc/${run.pidOf('supervisor')}/ns/net`)).stdout.trim();
      run.close();
      await host.exec(killKeepers(run));
      await delay(300);
      const strangers = await startStrangers(host, 12);
      const numbers = (await host.exec(`for p in ${strangers.join(' ')}; do readlink /proc/$p/ns/net; done`)).stdout;
      await restore(open('b', { isDirect: true }));
      assert.deepEqual(await endStrangers(host, strangers), [], numbers.includes(namespace) ? 'the number was reused' : 'the number was not reused');
      assert.equal(await read(host, '/proc/sys/fs/file-max'), '5000');
    },
  },
  {
    name: 'a stopped guardian and a killed supervisor',
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = open('a', { isDirect: true });
      await run.start(specFor({ connections: 200, holdSeconds: 30 }));
      await run.waitForPhase('holding');
      const struck = Date.now();
      await host.exec(`kill -STOP ${run.pidOf('guardian')}; kill -9 ${run.pidOf('supervisor')}`);
      const summary = await run.summary(15_000);
      assert.ok(Date.now() - struck < 10_000, 'nobody is mute');
      assert.deepEqual([summary.verdict, summary.hostRestored, await read(host, '/proc/sys/fs/file-max')], ['failed', true, '5000']);
      await run.forget();
      const report = await restore(run, true);
      assert.deepEqual([report.complete, report.runs, report.notes], [true, [], []]);
      await runToEnd(open('b', { isDirect: true }));
    },
  },
  {
    name: 'everything of a run is stopped, and its controller is gone',
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = open('a', { isDirect: true });
      await run.start(specFor({ connections: 200, holdSeconds: 30 }));
      await run.waitForPhase('holding');
      run.close();
      await host.exec(`kill -STOP ${['guardian', 'supervisor', 'server', 'client'].map((role) => run.pidOf(role as 'server')).join(' ')}`);
      const next = open('b', { isDirect: true });
      const told = await restore(next, true);
      assert.deepEqual([told.complete, told.runs], [false, ['a']]);
      assert.equal((await restore(next)).complete, true);
      assert.equal(await read(host, '/proc/sys/fs/file-max'), '5000');
      await runToEnd(next);
    },
  },
  {
    name: 'two controllers on one run that dies',
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const first = open('a', { isDirect: true });
      await first.start(specFor({ connections: 200, holdSeconds: 30 }));
      await first.waitForPhase('holding');
      const second = open('a', { isDirect: true });
      await second.reattach();
      await host.exec(killKeepers(first));
      const [one, other] = await Promise.all([first.summary(), second.summary()]);
      assert.deepEqual(one, other);
      assert.deepEqual([one.verdict, one.hostRestored, first.gaps, second.gaps], ['failed', true, [], []]);
      const ends = first.events.filter((event) => event.type === 'summary').length + second.events.filter((event) => event.type === 'summary').length;
      assert.equal(ends, 2, 'one end each');
      await first.forget();
    },
  },
  {
    name: 'the disk is full while the journal is written',
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      await host.exec(`mkdir -p ${stateDirectory}-root && mount -t tmpfs -o size=512k,mode=700 tmpfs ${stateDirectory}-root`);
      const first = open('first', { isDirect: true });
      await first.start(specFor({ connections: 200, holdSeconds: 30, tuning: 'none' }));
      await first.waitForPhase('holding');
      const second = open('second', { isDirect: true });
      await second.start(specFor({ connections: 200, holdSeconds: 1, waitForHost: true }));
      // Again and again, since the first run frees a page here and there at its end.
      const fill = `while [ -e /run/filling ]; do cat /dev/zero >> ${stateDirectory}-root/full; sleep 0.01; done`;
      await host.exec(`touch /run/filling; timeout 60 sh -c '${fill}' >/dev/null 2>&1 </dev/null &`);
      await delay(200);
      first.send({ type: 'stop', id: 1_000 });
      await second.waitFor('the refusal', (event) => event.type === 'tuning' && event.outcome === 'refused' && /journal/.test(event.detail ?? ''));
      assert.equal(await read(host, '/proc/sys/fs/file-max'), '5000', 'not written without a journal');
      await second.summary();
      await host.exec(`rm /run/filling; sleep 0.1; rm ${stateDirectory}-root/full`);
      for (const run of [first, second]) await run.forget();
    },
  },
  {
    name: 'the kernel kills the supervisor for memory',
    variants: {
      fakeSysctls: lowFileMax,
      setup: 'mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory',
    },
    met: 'survived',
    async attack(host, open) {
      const group = `/sys/fs/cgroup/memory/c10m-oom-${host.lab.number}`;
      host.lab.atEnd(`rmdir ${group}`);
      const run = open('a', { isDirect: true });
      await run.start(specFor({ connections: 200, holdSeconds: 60 }));
      await run.waitForPhase('holding');
      // What it has already was charged elsewhere: the next page is one too many.
      await host.exec(`mkdir ${group} && echo 4096 > ${group}/memory.limit_in_bytes && echo ${run.pidOf('supervisor')} > ${group}/cgroup.procs`);
      const summary = await run.summary(60_000);
      assert.match(await read(host, `${group}/memory.oom_control`), /^oom_kill [1-9]/m);
      await host.exec(`rmdir ${group}`);
      assert.deepEqual([summary.verdict, summary.hostRestored, await read(host, '/proc/sys/fs/file-max')], ['failed', true, '5000'], summary.reason);
      await run.forget();
    },
  },
  {
    name: 'root may make a namespace but not use it',
    met: 'survived',
    async attack(_host, open) {
      const run = open('a', { isDirect: true, prefix: 'exec setpriv --bounding-set -net_admin --inh-caps -net_admin' });
      await runToEnd(run);
      const [facts] = run.events.flatMap((event) => (event.type === 'facts' ? [event.facts] : []));
      assert.notEqual(facts?.namespace.kind, 'netns');
    },
  },
];

/** For the table's helper, so that each case closes what it opened. */
export function opener(host: TestHost): { open: OpenRun; close: () => void } {
  const opened: RemoteRun[] = [];
  return {
    open(id, link = {}) {
      const run = new RemoteRun({ host, agentPath, ...link }, id);
      opened.push(run);
      return run;
    },
    close: () => {
      for (const run of opened) run.close();
    },
  };
}
