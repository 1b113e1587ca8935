import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { RemoteRun, specFor } from './faults/remoteRun.js';
import { agentPath } from './faults/runCase.js';
import { run as runProgram, startHost, stopLab, type TestHost } from './support/host.js';
import { missingForHosts } from './support/packages.js';

const skip =
  missingForHosts() ??
  (existsSync(agentPath) ? undefined : 'dist/host/agent.cjs is not built (npm run build)') ??
  (existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes') ? false : 'there is no memory control group of version 1');
after(stopLab);

/** The memory that the run may use; with the machine's own instead, the test would take all of it. */
const limitBytes = 1_200 * 1_048_576;
const tries = 60;

async function login(host: TestHost): Promise<number> {
  const began = performance.now();
  const options = ['-F', 'none', '-i', host.keyFile, '-o', `UserKnownHostsFile=${host.knownHostsFile}`, '-o', 'BatchMode=yes', '-p', String(host.port)];
  const { code } = await runProgram('ssh', [...options, `root@${host.address}`, 'true']);
  assert.equal(code, 0);
  return performance.now() - began;
}

test('a run up to the memory guard stops by itself, names the wall, and leaves logins quick', { skip, timeout: 240_000 }, async () => {
  const host = await startHost({
    name: 'guard',
    setup: 'mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory',
  });
  const group = `/sys/fs/cgroup/memory/c10m-login-${host.lab.number}`;
  host.lab.atEnd(`rmdir ${group}`);
  await host.exec(`mkdir ${group} && echo ${limitBytes} > ${group}/memory.limit_in_bytes`);
  const before = { kills: await outOfMemoryKills() };
  const run = new RemoteRun({ host, agentPath, prefix: `echo $$ > ${group}/cgroup.procs; exec` }, 'login');
  try {
    await run.start(specFor({ connections: 'max', holdSeconds: 300 }));
    await run.waitForPhase('ramping');
    // Somebody else takes memory that the plan counted on, so that the guard has to act.
    const program = 'const kept = []; setInterval(() => { if (kept.length < 90) kept.push(Buffer.alloc(4e6, 1)); }, 10)';
    await host.exec(`echo $$ > ${group}/cgroup.procs; timeout 200 ${process.execPath} -e '${program}' >/dev/null 2>&1 </dev/null &`);
    const times: number[] = [];
    for (let count = 0; count < tries / 2; count++) times.push(await login(host));
    await run.waitForPhase('holding', 120_000);
    while (times.length < tries) times.push(await login(host));
    run.send({ type: 'stop', id: 1_000 });
    const summary = await run.summary();
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)]!;
    const established = Math.min(summary.established.server, summary.established.client);
    console.log(
      `${established} connections up to the guard; ${times.length} logins: p50 ${Math.round(times[times.length >> 1]!)} ms, p99 ${Math.round(p99)} ms; walls ${summary.walls.map((wall) => wall.id).join(', ')}`,
    );
    assert.ok(established > 20_000, `${established} connections`);
    assert.deepEqual(
      summary.walls.map((wall) => wall.id),
      ['cgroupMemory'],
    );
    assert.ok(p99 < 1_000, `p99 of ${p99} ms`);
    assert.equal((await outOfMemoryKills()) - before.kills, 0, 'nothing was killed for want of memory');
    assert.equal(summary.hostRestored, true);
    await run.forget();
  } finally {
    run.close();
    await host.exec(`for p in $(cat ${group}/cgroup.procs); do kill -9 $p; done; sleep 0.3; rmdir ${group}`);
    await host.stop();
  }
});

async function outOfMemoryKills(): Promise<number> {
  const { stdout } = await runProgram('grep', ['oom_kill', '/proc/vmstat']);
  return Number(stdout.trim().split(' ')[1]);
}
