import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from './core/errors.js';
import { setCloseOnExec } from './linux/hostCalls.js';
import { bringLoopbackUp } from './linux/netns.js';
import { setParentDeathSignal } from './linux/limits.js';
import { secretsSchema } from './protocol/commands.js';
import { Guardian } from './agent/restoration/guardian.js';
import { guardianLockFd } from './agent/restoration/guardianLink.js';
import { HostLock } from './agent/hostLock.js';
import { probeMain } from './agent/probe.js';
import { Relay, supervisorLockFd, supervisorStartFd } from './agent/relay.js';
import { openStateDirectory, StateDirectory } from './agent/stateDirectory.js';
import { Supervisor } from './agent/supervisor.js';
import { SysctlFiles } from './linux/sysctlFiles.js';

const agentPath = process.argv[1]!;
/** State directory, run, where it lives, lease in seconds, and the supervisor's pid and start time. */
const guardianArgumentsSchema = v.tuple([v.string(), v.string(), v.picklist(['isolated', 'shared']), v.string(), v.string(), v.string()]);
/** SIGKILL: a probe has nobody to answer once its relay is gone, even when it was stopped. */
const killSignal = 9;

async function main(command: string | undefined, args: string[]): Promise<void> {
  switch (command) {
    case 'relay': {
      // Opened at the first command that needs it: what is wrong with it is the reply.
      await new Relay(() => openStateDirectory(process.env, process.getuid?.() ?? 0), agentPath, process.stdout).serve(process.stdin);
      // Pending timers and sockets of the run it followed must not keep it.
      process.exit(0);
      break;
    }
    case 'probe':
      setParentDeathSignal(killSignal);
      await probeMain(args[0] ?? '', args[1] === 'isolated', (text) => process.stdout.write(text));
      return;
    case 'loopback':
      setParentDeathSignal(killSignal);
      tryLoopback();
      return;
    case 'supervise': {
      const [statePath, runId, isolation] = v.parse(v.tuple([v.string(), v.string(), v.picklist(['isolated', 'shared'])]), args);
      await supervise(new StateDirectory(statePath), runId, isolation === 'isolated');
      process.exit(0);
      break;
    }
    case 'guard': {
      const [statePath, runId, isolation, lease, pid, startTime] = v.parse(guardianArgumentsSchema, args);
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
      // Not our parent: the supervisor may have died while we were starting, and then that is a stranger.
      const supervisor = { pid: Number(pid), startTime: Number(startTime) };
      await new Guardian(new StateDirectory(statePath).run(runId), supervisor, new SysctlFiles(), isolation === 'isolated', Number(lease)).watch(process.stdin);
      HostLock.inherited(guardianLockFd).release();
      process.exit(0);
      break;
    }
    default:
      process.stderr.write('usage: agent.cjs relay\n');
      process.exitCode = 64;
  }
}

/** Ends with 0 where a run could live in the network namespace that this process was started in; otherwise says why not. */
function tryLoopback(): void {
  try {
    bringLoopbackUp();
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

async function supervise(state: StateDirectory, runId: string, isolated: boolean): Promise<void> {
  const run = state.run(runId);
  const order = run.readOrder();
  if (order === undefined) throw new Error(`${run.path} holds no order`);
  const lockFd = order.spec.waitForHost ? undefined : supervisorLockFd;
  if (lockFd !== undefined) setCloseOnExec(lockFd);
  setCloseOnExec(supervisorStartFd);
  const workerPath = join(agentPath, '..', 'worker.cjs');
  const secrets = v.parse(secretsSchema, JSON.parse(readFileSync(0, 'utf8') || '{}'));
  const supervisor = new Supervisor(run, order, { secrets, agentPath, workerPath, stateDirectory: state.path, isolated, lockFd });
  // A defect of ours ends the run in order; its stack is in the log beside the spool.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, (error: unknown) => supervisor.fail(error));
  await supervisor.supervise();
  state.removeIfEmpty();
}

main(process.argv[2], process.argv.slice(3)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(70);
});
