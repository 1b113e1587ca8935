import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { TestHost } from '../support/host.js';

/**
 * Strangers of a test host, one in each kind of resource that a run has, too: they must live, unchanged, whatever becomes of runs.
 * `state` is the state directory that the runs use.
 */
export async function plantDecoys(host: TestHost, state: string): Promise<void> {
  const server = `require('node:net').createServer().listen(8001); require('node:net').createServer().listen('/run/decoy.socket'); require('node:net').createServer().listen('\\0c10m-decoy')`;
  await host.exec(`
    mkdir -p ${state}/runs/stranger /run/decoy /var/tmp/decoy-c10m; chmod 700 ${state} ${state}/runs
    echo mine > ${state}/runs/stranger/file; echo mine > ${state}/runs/README; echo mine > /tmp/c10m.lock; echo mine > /run/decoy/file; echo mine > /var/tmp/decoy-c10m/file
    ip link add decoy0 type bridge; ip addr add 10.99.0.1/24 dev decoy0
    unshare --net sleep 100000 </dev/null >/dev/null 2>&1 & echo $! > /run/decoy/pids
    sleep 100000 </dev/null >/dev/null 2>&1 & echo $! >> /run/decoy/pids
    ${process.execPath} -e "${server}" </dev/null >/dev/null 2>&1 & echo $! >> /run/decoy/pids
    i=0; while [ ! -S /run/decoy.socket ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done`);
}

/** What the strangers are, as one text: processes by start time and namespace, sockets by inode, files by inode, time and content. */
export async function decoysOf(host: TestHost, state: string): Promise<string> {
  const files = `${state}/runs/stranger/file ${state}/runs/README /tmp/c10m.lock /run/decoy/file /var/tmp/decoy-c10m/file`;
  const { stdout } = await host.exec(`
    for p in $(cat /run/decoy/pids); do awk '{print "process", $1, $2, $22, $3}' /proc/$p/stat; readlink /proc/$p/ns/net; done
    awk '$2 ~ /:1F41$/ && $4 == "0A" {print "port", $2, $10}' /proc/net/tcp /proc/net/tcp6
    awk '/decoy/ {print "socket", $7, $8}' /proc/net/unix
    ip -o addr show dev decoy0
    stat -c '%n %i %U %a %Y %s %h' ${files} ${state}/runs/stranger /run/decoy /run/decoy.socket
    cat ${files}`);
  return stdout;
}

/** New strangers in network namespaces of their own: the kernel gives them the numbers that were just freed. */
export async function startStrangers(host: TestHost, count: number): Promise<string[]> {
  const one = 'unshare --net sleep 600 </dev/null >/dev/null 2>&1 & echo $!';
  return (await host.exec(Array.from({ length: count }, () => one).join('\n'))).stdout.trim().split('\n');
}

/** Ends strangers of `startStrangers`; resolves with those that somebody else had ended. */
export async function endStrangers(host: TestHost, pids: readonly string[]): Promise<string[]> {
  const { stdout } = await host.exec(pids.map((pid) => `kill -9 ${pid} 2>/dev/null || echo ${pid}`).join('\n'));
  return stdout.split('\n').filter((line) => line !== '');
}

export interface OwnProcess {
  /** As this test sees it, outside of the host. */
  pid: number;
  role: 'relay' | 'supervisor' | 'guardian' | 'worker' | 'other';
  isStopped: boolean;
}

/** Our processes inside a host, seen from outside in a few milliseconds. `pidNamespace`: as `readlink /proc/self/ns/pid` says inside. */
export function ownProcesses(pidNamespace: string): OwnProcess[] {
  return readdirSync('/proc').flatMap((name): OwnProcess[] => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (readlinkSync(`/proc/${name}/ns/pid`) !== pidNamespace) return [];
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const role = roleOf(words);
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const state = stat[stat.lastIndexOf(')') + 2];
      return role === undefined || state === 'Z' || state === 'X' ? [] : [{ pid: Number(name), role, isStopped: state === 'T' }];
    } catch {
      return [];
    }
  });
}

function roleOf(words: readonly string[]): OwnProcess['role'] | undefined {
  const at = words.findIndex((word) => /\/(agent|worker)\.cjs$/.test(word));
  if (at === -1) return undefined;
  if (words[at]!.endsWith('worker.cjs')) return 'worker';
  const roles: Record<string, OwnProcess['role']> = { relay: 'relay', supervise: 'supervisor', guard: 'guardian' };
  return roles[words[at + 1] ?? ''] ?? 'other';
}
