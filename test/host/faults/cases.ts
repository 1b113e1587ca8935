import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import type { Summary } from '../../../src/protocol/events.js';
import { command } from '../support/lab.js';
import type { HostVariants, TestHost } from '../support/host.js';
import type { SelectedCase } from '../support/selection.js';
import { pidsOf } from './hostSnapshot.js';
import { stateDirectory, type RemoteRun } from './remoteRun.js';

/** What a fault is done to, once the run holds its connections. */
export interface FaultScene {
  host: TestHost;
  run: RemoteRun;
}

export interface FaultCase extends SelectedCase {
  spec?: Partial<RunSpecInput>;
  variants?: Partial<HostVariants>;
  /** Account of the SSH session. */
  user?: string;
  /** Shell text before `node relay`; `exec` when absent. */
  prefix?: (host: TestHost) => string;
  /** Done before the run starts. */
  prepare?(host: TestHost): Promise<unknown>;
  /** The phase in which the fault comes; default `holding`. */
  phase?: 'starting' | 'ramping' | 'holding';
  fault(scene: FaultScene): Promise<unknown>;
  /** Keys that somebody else changed on purpose and that must still hold that. Path below /proc/sys. */
  changedByOthers?: Record<string, string>;
  verdict: Summary['verdict'];
  reason?: RegExp;
  /** More that must be true at the end. Returns what was checked, in words. */
  check?(scene: FaultScene & { summary: Summary }): string | Promise<string>;
}

/** fs.file-max as a file of the test host's own: low, so that the plan raises it through the journal. */
const lowFileMax = { 'fs/file-max': '5000' };
const readFileMax = async (host: TestHost) => (await host.exec('cat /proc/sys/fs/file-max')).stdout.trim();

/** The process of the daemon that serves the run's session (inside the host): the parent's parent of the relay, or above. */
const sessionDaemon = `p=$(${pidsOf('agent', 'relay')} | tail -1); while [ -n "$p" ] && [ "$p" -gt 1 ]; do if grep -q sshd /proc/$p/comm; then echo $p; break; fi; p=$(awk '{print $4}' /proc/$p/stat); done`;

async function pidOfSession(host: TestHost): Promise<string> {
  const pid = (await host.exec(sessionDaemon)).stdout.trim();
  assert.match(pid, /^\d+$/, 'the session of the relay was found');
  return pid;
}

async function waitUntilClosed(run: RemoteRun): Promise<void> {
  for (let tries = 0; tries < 500 && !run.closed; tries++) await delay(20);
  assert.equal(run.closed, true, 'the session is gone');
}

const groupOf = (host: TestHost) => `/sys/fs/cgroup/memory/c10m-test-${host.lab.number}`;

const leaseReason = /^lease expired$/;
const killedReason = /supervisor .* killed/;

/** A run of which the link was lost and that is fetched by a new session afterwards. */
async function waitOutLease({ run }: FaultScene): Promise<void> {
  await delay(12_500);
  await run.reattach();
}

export const faultCases: readonly FaultCase[] = [
  {
    name: 'no fault',
    isTypical: true,
    fault: () => Promise.resolve(),
    verdict: 'finished',
    check: ({ summary }) => `${summary.established.server} + ${summary.established.client}`,
  },
  {
    name: 'stop while it ramps',
    isTypical: true,
    spec: { connections: 2_000, rate: 200 },
    phase: 'ramping',
    async fault({ run }) {
      await delay(500);
      const before = Date.now();
      run.send({ type: 'stop', id: 1_000 });
      await run.summary();
      assert.ok(Date.now() - before < 2_000, `stopped in ${Date.now() - before} ms`);
    },
    verdict: 'stopped',
    reason: /user/,
  },
  {
    name: 'stop with hung workers',
    async fault({ run }) {
      await run.kill('server', 'STOP');
      await run.kill('client', 'STOP');
      const before = Date.now();
      run.send({ type: 'stop', id: 1_000 });
      await run.summary();
      assert.ok(Date.now() - before < 2_500, `stopped in ${Date.now() - before} ms`);
    },
    verdict: 'stopped',
  },
  { name: 'SIGTERM of the supervisor', fault: ({ run }) => run.kill('supervisor', 'TERM'), verdict: 'stopped', reason: /SIGTERM/ },
  {
    name: 'kill -9 of the controller',
    spec: { holdSeconds: 60 },
    async fault(scene) {
      process.kill(scene.run.sshPid, 'SIGKILL');
      await waitOutLease(scene);
    },
    verdict: 'stopped',
    reason: leaseReason,
  },
  {
    name: 'kill -9 of the SSH session',
    async fault({ host, run }) {
      await host.exec(`kill -9 ${await pidOfSession(host)}`);
      await waitUntilClosed(run);
      await run.reattach();
    },
    verdict: 'finished',
  },
  {
    name: 'kill -9 of the relay',
    isTypical: true,
    async fault({ host, run }) {
      await host.exec(`kill -9 $(${pidsOf('agent', 'relay')})`);
      await waitUntilClosed(run);
      await run.reattach();
    },
    verdict: 'finished',
  },
  {
    name: 'kill -9 of the supervisor',
    isTypical: true,
    variants: { fakeSysctls: lowFileMax },
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: 'kill -9 of the supervisor while it ramps',
    spec: { connections: 2_000, rate: 200 },
    variants: { fakeSysctls: lowFileMax },
    phase: 'ramping',
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: 'kill -9 of the supervisor while it starts',
    variants: { fakeSysctls: lowFileMax },
    phase: 'starting',
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: 'kill -9 of the guardian',
    fault: ({ run }) => run.kill('guardian'),
    verdict: 'finished',
    check({ run }) {
      const started = run.events.filter((event) => event.type === 'worker' && event.role === 'guardian' && event.state === 'started').length;
      assert.equal(started, 2);
      return 'another guardian was started';
    },
  },
  {
    name: 'kill -9 of supervisor and guardian',
    isTypical: true,
    variants: { fakeSysctls: lowFileMax },
    // Stopped first, or it would still replace the guardian.
    fault: ({ host, run }) => host.exec(`kill -STOP ${run.pidOf('supervisor')}; kill -9 ${run.pidOf('guardian')} ${run.pidOf('supervisor')}`),
    verdict: 'failed',
    reason: /supervisor and its guardian/,
  },
  { name: 'kill -9 of a server worker', isTypical: true, fault: ({ run }) => run.kill('server'), verdict: 'failed', reason: /server worker .* SIGKILL/ },
  { name: 'kill -9 of a client worker', fault: ({ run }) => run.kill('client'), verdict: 'failed', reason: /client worker .* SIGKILL/ },
  {
    name: 'SIGSTOP of the supervisor',
    spec: { holdSeconds: 60 },
    variants: { fakeSysctls: lowFileMax },
    fault: ({ run }) => run.kill('supervisor', 'STOP'),
    verdict: 'failed',
    reason: /did not answer/,
  },
  {
    name: 'SIGSTOP of the SSH session',
    spec: { holdSeconds: 60 },
    async fault(scene) {
      const pid = await pidOfSession(scene.host);
      await scene.host.exec(`kill -STOP ${pid}`);
      await waitOutLease(scene);
      await scene.host.exec(`kill -9 ${pid}`);
    },
    verdict: 'stopped',
    reason: leaseReason,
  },
  {
    name: 'link cut for 2 s',
    async fault({ host }) {
      command('ip', ['link', 'set', host.link, 'down']);
      await delay(2_000);
      command('ip', ['link', 'set', host.link, 'up']);
    },
    verdict: 'finished',
  },
  {
    name: 'link cut longer than the lease',
    isTypical: true,
    spec: { holdSeconds: 60 },
    async fault(scene) {
      command('ip', ['link', 'set', scene.host.link, 'down']);
      await delay(12_500);
      command('ip', ['link', 'set', scene.host.link, 'up']);
      await scene.run.reattach();
    },
    verdict: 'stopped',
    reason: leaseReason,
  },
  {
    name: 'disk full for the spool',
    spec: { holdSeconds: 5 },
    prepare: (host) => host.exec(`mkdir -p ${stateDirectory}-root && mount -t tmpfs -o size=512k,mode=700 tmpfs ${stateDirectory}-root`),
    async fault({ host, run }) {
      await host.exec(`dd if=/dev/zero of=${stateDirectory}-root/full bs=1k 2>/dev/null`);
      await run.waitFor('the warning', (event) => event.type === 'log' && /cannot be written/.test(event.text));
    },
    verdict: 'finished',
    async check({ host, run }) {
      await host.exec(`rm ${stateDirectory}-root/full`);
      assert.ok(run.events.filter((event) => event.type === 'sample').length >= 5);
      return 'warned, no event lost';
    },
  },
  {
    name: 'killed while the disk is full',
    isTypical: true,
    prepare: (host) => host.exec(`mkdir -p ${stateDirectory}-root && mount -t tmpfs -o size=512k,mode=700 tmpfs ${stateDirectory}-root`),
    variants: { fakeSysctls: lowFileMax },
    async fault({ host, run }) {
      await host.exec(`dd if=/dev/zero of=${stateDirectory}-root/full bs=1k 2>/dev/null`);
      await run.kill('supervisor');
      await delay(1_500);
      assert.equal(await readFileMax(host), '5000', 'restored without any room on the disk');
      await host.exec(`rm ${stateDirectory}-root/full`);
      await run.reattach();
    },
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: 'memory limit of a cgroup',
    spec: { holdSeconds: 30 },
    variants: { setup: 'mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory' },
    async prepare(host) {
      const group = groupOf(host);
      host.lab.atEnd(`rmdir ${group}`);
      await host.exec(`mkdir ${group} && echo 400M > ${group}/memory.limit_in_bytes`);
    },
    prefix: (host) => `echo $$ > ${groupOf(host)}/cgroup.procs; exec`,
    async fault({ host, run }) {
      // Takes what is left of the group's memory and then sits there.
      const program = 'const kept = []; setInterval(() => { if (kept.length < 100) kept.push(Buffer.alloc(4e6, 1)); }, 10)';
      // Without the parentheses of a subshell, in which $$ would be another process.
      await host.exec(`echo $$ > ${groupOf(host)}/cgroup.procs; timeout 30 ${process.execPath} -e '${program}' >/dev/null 2>&1 </dev/null &`);
      await run.summary();
      run.close();
      await host.exec(`for p in $(cat ${groupOf(host)}/cgroup.procs); do kill -9 $p; done; sleep 0.3; rmdir ${groupOf(host)}`);
      await run.reattach();
    },
    verdict: 'failed',
    reason: /control group|SIGKILL/,
  },
  {
    name: 'a key changed by someone else',
    variants: { fakeSysctls: lowFileMax },
    fault: ({ host }) => host.exec('echo 777777 > /proc/sys/fs/file-max'),
    changedByOthers: { 'fs/file-max': '777777' },
    verdict: 'finished',
    check({ summary }) {
      assert.deepEqual(
        summary.keys.map((key) => [key.key, key.outcome, key.now]),
        [['fs.file-max', 'changedByOthers', '777777']],
      );
      return 'told and left alone';
    },
  },
  {
    name: 'a global key restored',
    variants: { fakeSysctls: lowFileMax },
    async fault({ host }) {
      assert.notEqual(await readFileMax(host), '5000', 'it was raised');
    },
    verdict: 'finished',
    async check({ host, summary }) {
      assert.equal(await readFileMax(host), '5000');
      assert.deepEqual(
        summary.keys.map((key) => [key.key, key.outcome]),
        [['fs.file-max', 'restored']],
      );
      return 'raised, then restored';
    },
  },
  {
    name: 'a read-only key',
    // Enough for the run, but less than the plan would like to have.
    variants: { fakeSysctls: { 'fs/epoll/max_user_watches': '620' }, setup: 'mount -o remount,bind,ro /proc/sys/fs/epoll/max_user_watches' },
    fault: () => Promise.resolve(),
    verdict: 'finished',
    check({ summary }) {
      assert.deepEqual(summary.keys, []);
      return 'planned without it';
    },
  },
  {
    name: 'no CAP_SYS_RESOURCE',
    prefix: () => 'exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource',
    fault: () => Promise.resolve(),
    verdict: 'finished',
    check({ run }) {
      const facts = run.events.flatMap((event) => (event.type === 'facts' ? [event.facts] : []))[0]!;
      assert.equal(facts.capabilities.sysResource, false);
      assert.equal(facts.nofile.raisable, facts.nofile.hard);
      return `planned with ${facts.nofile.hard} files per process`;
    },
  },
  {
    name: 'an unprivileged user',
    user: 'ann',
    variants: { users: [{ name: 'ann' }] },
    prepare: (host) => host.exec(`mkdir -p ${stateDirectory}-ann && chown ann: ${stateDirectory}-ann`),
    fault: () => Promise.resolve(),
    verdict: 'finished',
    check({ run }) {
      const facts = run.events.flatMap((event) => (event.type === 'facts' ? [event.facts] : []))[0]!;
      assert.equal(facts.namespace.kind, 'userns', facts.namespace.reason ?? '');
      assert.notEqual(facts.user.id, 0);
      return 'own namespace through a user namespace';
    },
  },
  {
    name: 'an unprivileged user, supervisor killed',
    isTypical: true,
    user: 'ann',
    variants: { users: [{ name: 'ann' }] },
    prepare: (host) => host.exec(`mkdir -p ${stateDirectory}-ann && chown ann: ${stateDirectory}-ann`),
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: "in the host's own namespace, supervisor killed",
    isTypical: true,
    spec: { isolation: 'host' },
    variants: { fakeSysctls: lowFileMax },
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
  },
  {
    name: 'no namespace can be made, supervisor killed',
    variants: {
      setup: `mkdir /run/bin && printf '#!/bin/sh\\necho "unshare failed: Operation not permitted" >&2\\nexit 1\\n' > /run/bin/unshare && chmod 755 /run/bin/unshare`,
    },
    prefix: () => 'export PATH=/run/bin:$PATH; exec',
    fault: ({ run }) => run.kill('supervisor'),
    verdict: 'failed',
    reason: killedReason,
    check({ run }) {
      assert.ok(
        run.events.some((event) => event.type === 'log' && event.text.includes('Operation not permitted')),
        'it is said',
      );
      const changed = run.events.flatMap((event) => (event.type === 'tuning' && event.outcome === 'applied' ? [event.key] : []));
      const restored = run.events.flatMap((event) => (event.type === 'tuning' && event.outcome === 'restored' ? [event.key] : []));
      assert.ok(changed.length > 0);
      assert.deepEqual(restored, changed.reverse());
      return `${changed.length} keys of the host changed and restored`;
    },
  },
  {
    name: 'a reboot',
    isTypical: true,
    variants: { fakeSysctls: { ...lowFileMax, 'kernel/random/boot_id': '11111111-1111-1111-1111-111111111111' } },
    async fault({ host, run }) {
      await host.exec(
        `kill -STOP ${run.pidOf('supervisor')}; kill -9 ${run.pidOf('guardian')} ${run.pidOf('supervisor')} $(${pidsOf('any')}); echo 22222222-2222-2222-2222-222222222222 > /proc/sys/kernel/random/boot_id; echo 6000 > /proc/sys/fs/file-max`,
      );
      await run.reattach();
    },
    changedByOthers: { 'fs/file-max': '6000', 'kernel/random/boot_id': '22222222-2222-2222-2222-222222222222' },
    verdict: 'failed',
    reason: /rebooted/,
  },
];
