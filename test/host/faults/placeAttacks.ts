import assert from 'node:assert/strict';
import { byDefault, read, refused, restore, runToEnd, type AttackCase } from './attackCase.js';
import { specFor, stateDirectory } from './remoteRun.js';

/** A lock that is not what only root can have made: refused with path, kind, owner and remedy, and left as it is. */
const lockCase = (what: string, make: string, message: RegExp): AttackCase => ({
  name: `the lock is ${what}`,
  isTypical: what.startsWith('a hard link'),
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

/** Locks, directories, variables and rights that are not as a run would like them. */
export const placeAttacks: readonly AttackCase[] = [
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
    isTypical: true,
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
    isTypical: true,
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
    isTypical: true,
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
