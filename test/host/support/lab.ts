import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Runs a command of the lab itself and throws with its stderr when it fails. */
export function command(program: string, args: readonly string[], input = ''): string {
  const result = spawnSync(program, args, { encoding: 'utf8', input, timeout: 30_000 });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr || String(result.error ?? result.signal)}`);
  return result.stdout;
}

/** Labs at the same time on one machine: one each for the test files of all builders, with room for what killed machines left. */
const maximumLabs = 100;

/**
 * The network of one test process: a bridge with an address range of its own, a key, and a reaper that removes everything
 * when this process ends, however it ends. Ranges: 10.211.N.0/24 on the bridge, 10.212.N.0/24 behind other hosts.
 */
export class Lab {
  readonly directory: string;
  readonly keyFile: string;
  readonly bridge: string;
  private nextHost = 10;
  private nextInner = 0;

  private constructor(
    readonly number: number,
    private readonly reaper: ChildProcess,
    commandsFile: string,
  ) {
    this.directory = dirname(commandsFile);
    this.keyFile = join(this.directory, 'id_ed25519');
    this.bridge = bridgeName(number);
    this.atEnd(`rm -rf ${this.directory}`);
    for (const range of [`10.211.${number}.0/24`, `10.212.${number}.0/24`]) {
      // Nothing meant for a test host may ever leave this machine by its default route, not even after the host is gone.
      // The metric is the largest but one, so that the bridge's own route goes first while it exists.
      command('ip', ['route', 'replace', 'unreachable', range, 'metric', '4294967294']);
      this.atEnd(`ip route del unreachable ${range} metric 4294967294`);
    }
    command('ip', ['addr', 'add', `10.211.${number}.1/24`, 'dev', this.bridge]);
    command('ip', ['link', 'set', this.bridge, 'up']);
    command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'c10m-test', '-f', this.keyFile]);
  }

  static async create(): Promise<Lab> {
    const commandsFile = join(mkdtempSync(join(tmpdir(), 'c10m-lab-')), 'cleanup');
    const reaper = startReaper(commandsFile);
    const [line] = (await once(reaper.stdout, 'data')) as [Buffer];
    const number = Number(line.toString('utf8'));
    if (number === 0) {
      reaper.stdin.end();
      throw new Error(`no test lab could be made: the bridges ${bridgeName(1)} to ${bridgeName(maximumLabs)} exist, or none may be made here`);
    }
    // Neither pipe must keep the test runner alive.
    for (const pipe of [reaper.stdin, reaper.stdout]) (pipe as unknown as { unref?: () => void }).unref?.();
    reaper.unref();
    return new Lab(number, reaper, commandsFile);
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

const bridgePrefix = 'c10mb';

function bridgeName(number: number): string {
  return `${bridgePrefix}${number}`;
}

/**
 * A process of its own session that takes the first number whose bridge it can make, tells it, and waits for the end of its
 * input, which comes with the end of this process, even by SIGKILL. The kernel makes each bridge once, so it is the lock: a file
 * would not be seen by tests that have another /tmp and the same network, nor would a bridge that outlived its file be passed over.
 * Its address is fixed: otherwise it is the lowest of its ports, changes when that host goes, and cuts off all others for half a minute.
 */
function startReaper(commandsFile: string): ChildProcessByStdio<Writable, Readable, null> {
  const script = `
    trap '' INT TERM HUP
    number=0
    for try in $(seq ${maximumLabs}); do
      if ip link add ${bridgePrefix}$try address 02:c1:0a:00:00:$(printf %02x $try) type bridge 2>/dev/null; then number=$try; break; fi
    done
    echo $number
    cat > "$1"
    tac "$1" > "$1.reverse"
    if [ $number != 0 ]; then echo "ip link del ${bridgePrefix}$number" >> "$1.reverse"; fi
    sh "$1.reverse" >/dev/null 2>&1`;
  const reaper = spawn('sh', ['-c', script, 'reaper', commandsFile], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  reaper.stdin.on('error', () => undefined);
  return reaper;
}

/** Removes a directory of the lab; for use in tests. */
export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
