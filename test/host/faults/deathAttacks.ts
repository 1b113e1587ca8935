import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { lowFileMax, read, restore, runToEnd, startHolding, type AttackCase } from './attackCase.js';
import { endStrangers, startStrangers } from './decoys.js';
import { specFor, stateDirectory, type RemoteRun } from './remoteRun.js';

/** A parent that takes in what loses its own (as `systemd --user` does), for a shell's double quotes. */
const orphanage = `import ctypes, os, subprocess, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); open('/run/orphanage', 'w').write(str(os.getpid())); sys.exit(subprocess.call(sys.argv[1:]))`;
/** Stops the first guardian as it is born, kills its supervisor, and lets it go on. */
const strikeAtBirth = `
import os, signal, time
end = time.time() + 30
while time.time() < end:
    for name in os.listdir('/proc'):
        if not name.isdigit(): continue
        try: words = open('/proc/' + name + '/cmdline').read().split('\\0')
        except OSError: continue
        if len(words) < 3 or not words[1].endswith('/agent.cjs') or words[2] != 'guard': continue
        os.kill(int(name), signal.SIGSTOP)
        parent = int(open('/proc/' + name + '/stat').read().rsplit(') ', 1)[1].split()[1])
        os.kill(parent, signal.SIGKILL)
        time.sleep(0.3)
        os.kill(int(name), signal.SIGCONT)
        print('struck')
        raise SystemExit`;
/** An echo over TLS with the files that the run made, for a shell's double quotes. */
const tlsServer = `const { C10M_ADDRESS: host, C10M_PORTS, C10M_TCP_PORTS, C10M_TLS_KEY, C10M_TLS_CERTIFICATE } = process.env; const read = require('node:fs').readFileSync; for (const port of (C10M_PORTS ?? C10M_TCP_PORTS).split(',')) require('node:tls').createServer({ key: read(C10M_TLS_KEY), cert: read(C10M_TLS_CERTIFICATE) }, (socket) => socket.pipe(socket)).listen({ port, host, backlog: 4096 })`;

const killKeepers = (run: RemoteRun) => `kill -STOP ${run.pidOf('supervisor')}; kill -9 ${run.pidOf('guardian')} ${run.pidOf('supervisor')}`;

/** Deaths at the worst moments, beside strangers. */
export const deathAttacks: readonly AttackCase[] = [
  {
    name: "the number of a dead run's namespace is a stranger's now",
    isTypical: true,
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = await startHolding(open('a', { isDirect: true }));
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
    isTypical: true,
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = await startHolding(open('a', { isDirect: true }));
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
      const run = await startHolding(open('a', { isDirect: true }));
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
      const first = await startHolding(open('a', { isDirect: true }));
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
      const first = await startHolding(open('first', { isDirect: true }));
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
      const run = await startHolding(open('a', { isDirect: true }), { holdSeconds: 60 });
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
    name: 'the supervisor is killed while its guardian starts, below a stranger that takes in orphans',
    isTypical: true,
    met: 'survived',
    async attack(host, open) {
      const run = open('a', { isDirect: true, prefix: `exec python3 -c "${orphanage}"` });
      // Stopped before its first line of code runs, so that it begins as the orphan of that stranger.
      const struck = host.exec(`python3 -c "${strikeAtBirth}"`);
      await run.start(specFor({ connections: 200, holdSeconds: 30 }));
      assert.match((await struck).stdout, /struck/);
      const stranger = await read(host, '/run/orphanage');
      const summary = await run.summary(15_000);
      assert.deepEqual([summary.verdict, summary.hostRestored], ['failed', true], summary.reason);
      assert.match(await read(host, `/proc/${stranger}/cmdline`), /python3/, 'the stranger lives');
      await run.forget();
      const report = await restore(run, true);
      assert.deepEqual([report.complete, report.notes], [true, []]);
    },
  },
  {
    name: 'a stopped guardian that a killed supervisor had not recorded yet',
    variants: { fakeSysctls: lowFileMax },
    met: 'survived',
    async attack(host, open) {
      const run = await startHolding(open('a', { isDirect: true }));
      run.close();
      const state = `${stateDirectory}-root/runs/a/state.json`;
      await host.exec(
        `kill -STOP ${run.pidOf('supervisor')} ${run.pidOf('guardian')}; sed -i 's/"guardian":{[^}]*}/"guardian":null/' ${state}; kill -9 ${run.pidOf('supervisor')}`,
      );
      const next = open('b', { isDirect: true });
      assert.equal((await restore(next)).complete, true);
      assert.equal(await read(host, '/proc/sys/fs/file-max'), '5000');
      await runToEnd(next);
    },
  },
  ...(['a worker', 'the supervisor'] as const).map((who): AttackCase => ({
    name: `${who} is killed that gave a server of the user a private key`,
    met: 'survived',
    async attack(host, open) {
      const command = `exec '${process.execPath}' -e "${tlsServer}"`;
      const run = await startHolding(open('a', { isDirect: true }), { connections: 50, engine: 'command', command, ports: 1, tls: {} });
      const keys = `find / -xdev -name 'tls-key.pem' 2>/dev/null; find ${stateDirectory}-root -name 'tls-*.pem'`;
      assert.match((await host.exec(keys)).stdout, /tls-key\.pem/);
      await run.kill(who === 'a worker' ? 'server' : 'supervisor');
      const summary = await run.summary(15_000);
      assert.deepEqual([summary.verdict, summary.hostRestored], ['failed', true], summary.reason);
      assert.equal((await host.exec(keys)).stdout, '');
      await run.forget();
    },
  })),
];
