import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs a command of the lab itself and throws with its stderr when it fails. */
export function command(program: string, args: readonly string[], input = ''): string {
  const result = spawnSync(program, args, { encoding: 'utf8', input, timeout: 30_000 });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr || String(result.error ?? result.signal)}`);
  return result.stdout;
}

const locks = '/tmp/c10m-test-labs';
/** Labs at the same time on one machine: one each for the test files of all builders, with room. */
const maximumLabs = 100;

/**
 * The network of one test process: a bridge with an address range of its own, a key, and a reaper that removes everything
 * when this process ends, however it ends. Ranges: 10.211.N.0/24 on the bridge, 10.212.N.0/24 behind other hosts.
 */
export class Lab {
  readonly directory: string;
  readonly keyFile: string;
  readonly bridge: string;
  private readonly reaper: ChildProcess;
  private nextHost = 10;
  private nextInner = 0;

  private constructor(readonly number: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'c10m-lab-'));
    this.keyFile = join(this.directory, 'id_ed25519');
    this.bridge = `c10mb${number}`;
    this.reaper = startReaper(join(this.directory, 'cleanup'), join(locks, String(number)));
    this.atEnd(`rm -rf ${this.directory}`);
    for (const range of [`10.211.${number}.0/24`, `10.212.${number}.0/24`]) {
      // Nothing meant for a test host may ever leave this machine by its default route, not even after the host is gone.
      // The metric is the largest but one, so that the bridge's own route goes first while it exists.
      command('ip', ['route', 'replace', 'unreachable', range, 'metric', '4294967294']);
      this.atEnd(`ip route del unreachable ${range} metric 4294967294`);
    }
    command('ip', ['link', 'add', this.bridge, 'type', 'bridge']);
    this.atEnd(`ip link del ${this.bridge}`);
    command('ip', ['addr', 'add', `10.211.${number}.1/24`, 'dev', this.bridge]);
    command('ip', ['link', 'set', this.bridge, 'up']);
    command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'c10m-test', '-f', this.keyFile]);
  }

  static create(): Lab {
    mkdirSync(locks, { recursive: true });
    for (let number = 1; number <= maximumLabs; number++) {
      if (claim(join(locks, String(number)))) return new Lab(number);
    }
    throw new Error(`all ${maximumLabs} test labs are taken; see ${locks}`);
  }

  /** A shell command that runs when this process ends, in reverse order of the calls. It must do no harm when run twice. */
  atEnd(shellCommand: string): void {
    this.reaper.stdin?.write(`${shellCommand}\n`);
  }

  nextAddress(): string {
    return `10.211.${this.number}.${this.nextHost++}`;
  }

  /** Two addresses of a /30 of their own, for a host behind another. */
  nextInnerPair(): { near: string; far: string } {
    const base = 4 * this.nextInner++;
    return { near: `10.212.${this.number}.${base + 1}`, far: `10.212.${this.number}.${base + 2}` };
  }

  /** Ends the reaper's wait and lets it clean up; resolves when it has. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.reaper.once('exit', resolve));
    this.reaper.ref();
    this.reaper.stdin?.end();
    await ended;
  }
}

/** Takes a number by creating its lock file; takes over one whose process is gone. */
function claim(file: string): boolean {
  try {
    const descriptor = openSync(file, 'wx');
    writeSync(descriptor, String(process.pid));
    closeSync(descriptor);
    return true;
  } catch {
    const pid = Number(readOr(file, '0'));
    // A lock just created by another process may still be empty: it is not ours to take. Where the bridge still exists,
    // a reaper is at work, or did not get to work.
    if (pid === 0 || existsSync(`/proc/${pid}`) || existsSync(`/sys/class/net/c10mb${file.split('/').pop() ?? ''}`)) return false;
    rmSync(file, { force: true });
    return false;
  }
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

/** A process of its own session that waits for the end of its input, which comes with the end of this process, even by SIGKILL. */
function startReaper(commandsFile: string, lock: string): ChildProcess {
  const script = `trap '' INT TERM HUP; cat > "$1"; tac "$1" > "$1.reverse"; sh "$1.reverse" >/dev/null 2>&1; rm -f "$2"`;
  const reaper = spawn('sh', ['-c', script, 'reaper', commandsFile, lock], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  reaper.unref();
  reaper.stdin.on('error', () => undefined);
  // The pipe must not keep the test runner alive.
  (reaper.stdin as unknown as { unref?: () => void }).unref?.();
  return reaper;
}

/** Removes a directory of the lab; for use in tests. */
export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
