import { readFileSync } from 'node:fs';
import { processTree } from '../../linux/processTree.js';
import type { ServerProcesses } from './serverProcesses.js';

/** A server that ran before the run and runs after it: looked at, never signalled. */
export class AttachedProcesses implements ServerProcesses {
  constructor(
    private readonly roots: readonly number[],
    /** All processes of its systemd unit or container, where it has one. */
    private readonly group: string | undefined,
    private readonly onGone: () => void,
  ) {}

  pids(): number[] {
    const found = [...new Set([...this.roots.flatMap((pid) => processTree(pid)), ...this.members()])];
    if (found.length === 0) this.onGone();
    return found;
  }

  async end(): Promise<void> {}

  async kill(): Promise<void> {}

  private members(): number[] {
    if (this.group === undefined) return [];
    try {
      return readFileSync(`/sys/fs/cgroup${this.group}/cgroup.procs`, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
    } catch {
      return [];
    }
  }
}

/** The control group (v2) of a process, where it is the own one of a unit or a container and not that of a login. */
export function ownGroupOf(pid: number): string | undefined {
  try {
    const path = /^0::(.+)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    return path !== undefined && /\.service$|\/docker|libpod-|cri-containerd-|\/lxc/.test(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
