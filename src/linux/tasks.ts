import { readdirSync } from 'node:fs';
import { readText } from './procfs.js';

/** Programs that kill others before the kernel has to, by the first 15 letters of their names. */
const memoryDaemons = ['systemd-oomd', 'earlyoom', 'nohang', 'oomd', 'psi-monitor', 'uresourced', 'lmkd'];

/** Those of them that run; they leave no trace in the kernel's counters. `list` and `read` are of /proc. */
export function findMemoryDaemons(list: () => string[] = () => readdirSync('/proc'), read: (path: string) => string | undefined = readText): string[] {
  const names = list().flatMap((entry) => (/^\d+$/.test(entry) ? [read(`/proc/${entry}/comm`)?.trim()] : []));
  return memoryDaemons.filter((name) => names.includes(name));
}

/** Processes and threads of a user (real id), which is what `ulimit -u` counts. */
export function countTasks(userId: number, list: () => string[] = () => readdirSync('/proc'), read: (path: string) => string | undefined = readText): number {
  let tasks = 0;
  for (const entry of list()) {
    if (!/^\d+$/.test(entry)) continue;
    const status = read(`/proc/${entry}/status`) ?? '';
    if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1) === userId) tasks += Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1);
  }
  return tasks;
}

/** Who ended a worker by SIGKILL that nobody of the run sent, as far as it can be known. */
export function killerText(byKernel: boolean, daemons: readonly string[]): string {
  if (byKernel) return ', killed by the kernel for want of memory';
  if (daemons.length === 0) return '';
  return `, which neither the run nor the kernel sent: ${daemons.join(' and ')} ${daemons.length === 1 ? 'runs' : 'run'} on this host and may have done it for want of memory`;
}
