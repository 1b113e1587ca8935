import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A run in progress that a window of this user follows. */
export interface RunningRun {
  runId: string;
  host: string;
  /** The extension host that follows it. When that process is gone (a window was reloaded or closed), another may take over. */
  pid: number;
}

/**
 * Remembers the runs in progress as one small file each, so that a reloaded window finds them again. Files, not a memento: what
 * is written to a memento right before a reload may be lost, and two windows would overwrite each other's list.
 */
export class RunningRuns {
  constructor(
    private readonly directory: string,
    private readonly isAlive: (pid: number) => boolean = processIsAlive,
  ) {}

  async remember(run: RunningRun): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    // Synchronous once the directory exists: from here on a reload finds the run.
    writeFileSync(this.file(run.runId), JSON.stringify(run));
  }

  async forget(runId: string): Promise<void> {
    await rm(this.file(runId), { force: true });
  }

  /** Runs that nobody follows any more. */
  async orphans(): Promise<RunningRun[]> {
    const names = await readdir(this.directory).catch(() => []);
    const runs = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => this.read(name)));
    return runs.filter((run): run is RunningRun => run !== undefined && !this.isAlive(run.pid));
  }

  /** The process that follows a run, if it lives; undefined when nobody does. */
  async follower(runId: string): Promise<number | undefined> {
    const run = await this.read(`${runId}.json`);
    return run !== undefined && this.isAlive(run.pid) ? run.pid : undefined;
  }

  async list(): Promise<RunningRun[]> {
    const names = await readdir(this.directory).catch(() => []);
    return (await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => this.read(name)))).filter((run) => run !== undefined);
  }

  private async read(name: string): Promise<RunningRun | undefined> {
    try {
      const value = JSON.parse(await readFile(join(this.directory, name), 'utf8')) as Partial<RunningRun>;
      if (typeof value.runId !== 'string' || typeof value.host !== 'string' || typeof value.pid !== 'number') return undefined;
      return { runId: value.runId, host: value.host, pid: value.pid };
    } catch {
      return undefined;
    }
  }

  private file(runId: string): string {
    if (!/^[0-9A-Za-z-]{1,64}$/.test(runId)) throw new Error(`not a run id: ${runId}`);
    return join(this.directory, `${runId}.json`);
  }
}

function processIsAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
