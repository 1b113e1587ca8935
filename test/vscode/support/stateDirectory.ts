import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a supervisor may take to drain and restore after SIGTERM. */
const drainMs = 15_000;

/** A state directory of the agent for one test file: runs of others on this machine are not in the way, and its own leave nothing behind. */
export class StateDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'c10m-state-'));

  get environment(): Record<string, string> {
    return { C10M_STATE_DIRECTORY: this.path };
  }

  /** Ends the runs that a failed test left in progress, then removes the directory. */
  async release(): Promise<void> {
    const supervisors = this.supervisors();
    for (const pid of supervisors) signal(pid, 'SIGTERM');
    const deadline = Date.now() + drainMs;
    while (supervisors.some((pid) => signal(pid, 0)) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private supervisors(): number[] {
    const runs = join(this.path, 'runs');
    if (!existsSync(runs)) return [];
    return readdirSync(runs).flatMap((name) => {
      try {
        const state = JSON.parse(readFileSync(join(runs, name, 'state.json'), 'utf8')) as { supervisor?: { pid: number } | null };
        return state.supervisor === undefined || state.supervisor === null ? [] : [state.supervisor.pid];
      } catch {
        return [];
      }
    });
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}
