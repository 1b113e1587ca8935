import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hostScript } from './hostScript.js';
import { command, Lab } from './lab.js';

/** An account of a test host. Key-only unless it has a password. */
export interface TestUser {
  name: string;
  /** Default `/bin/bash`. */
  shell?: string;
  password?: string;
  sudo?: 'none' | 'passwordless' | 'password';
  /** Whether the lab's key may log in; default true. */
  key?: boolean;
}

/** What makes a host different from a plain one: OpenSSH on port 22, root by key only, Node on PATH. */
export interface HostVariants {
  /** Part of its network namespace's and host name: lower case letters and digits. */
  name: string;
  users?: TestUser[];
  port?: number;
  daemon?: 'openssh' | 'dropbear';
  /** Lines of sshd_config that come first, so that they win. */
  sshdConfig?: string[];
  /** Shell commands run as root inside the host before its daemon starts. */
  setup?: string;
  /** Key types of the host; default ed25519 and ecdsa. */
  hostKeyTypes?: ('ed25519' | 'ecdsa' | 'rsa')[];
  /** A host that can be reached only through this one. */
  behind?: TestHost;
  /** Files bound over keys below /proc/sys, so that they can be "written" without touching the machine: `{'fs/file-max': '100000'}`. */
  fakeSysctls?: Record<string, string>;
}

export interface ExecResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A host that runs: kernel namespaces, a root file system of its own, and a real SSH server. */
export interface TestHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** A private key without passphrase that root, and the users with `key`, accept. */
  readonly keyFile: string;
  /** Holds the true host keys. */
  readonly knownHostsFile: string;
  /** Its network namespace, for `ip netns exec`. */
  readonly networkNamespace: string;
  /** Its end of the bridge, in the root namespace: set it down to cut the link. Empty for a host behind another. */
  readonly link: string;
  readonly lab: Lab;
  /** Runs a shell command as root inside, without SSH. */
  exec(shellCommand: string, input?: string): Promise<ExecResult>;
  /** The program and its arguments that do so. */
  enter(shellCommand: string): string[];
  /** What its SSH server wrote so far. */
  serverLog(): string;
  stop(): Promise<void>;
}

let sharedLab: Promise<Lab> | undefined;
const running = new Set<TestHost>();

/** The lab of this test process, made at the first use. */
export function testLab(): Promise<Lab> {
  sharedLab ??= Lab.create();
  return sharedLab;
}

/** Stops all hosts of this process and removes the network. Call it in `after`; a process that dies is cleaned up all the same. */
export async function stopLab(): Promise<void> {
  await Promise.all([...running].map((host) => host.stop()));
  const lab = sharedLab;
  sharedLab = undefined;
  await (await lab)?.stop();
}

/** Starts a host and waits until its SSH server answers: about 0.3 s. Call `missingForHosts()` (packages.ts) before. */
export async function startHost(variants: HostVariants): Promise<TestHost> {
  const lab = await testLab();
  const namespace = `c10m-${lab.number}-${variants.name}`;
  const port = variants.port ?? 22;
  const directory = join(lab.directory, variants.name);
  mkdirSync(directory, { recursive: true });
  lab.atEnd(`for p in $(ip netns pids ${namespace}); do kill -9 $p; done; sleep 0.1; ip netns del ${namespace}`);
  command('ip', ['netns', 'add', namespace]);
  const { address, link } = connectToNetwork(lab, namespace, variants.behind);

  const logFile = join(directory, 'server.log');
  const log = openSync(logFile, 'w');
  const script = join(directory, 'init.sh');
  writeFileSync(script, hostScript({ variants, port, publicKey: readFileSync(`${lab.keyFile}.pub`, 'utf8').trim(), directory }));
  const unshareArguments = ['-m', '-u', '-p', '-i', '--fork', '--kill-child=SIGKILL', '--propagation', 'private', 'sh', script];
  const process_ = spawn('ip', ['netns', 'exec', namespace, 'unshare', ...unshareArguments], { stdio: ['ignore', log, log], detached: true });
  process_.unref();
  const host = new NamespaceHost(variants.name, address, port, lab, namespace, link, directory, logFile, process_);
  running.add(host);
  try {
    await host.waitUntilReady();
  } catch (error) {
    await host.stop();
    throw error;
  }
  return host;
}

function connectToNetwork(lab: Lab, namespace: string, behind: TestHost | undefined): { address: string; link: string } {
  const inside = (...args: string[]) => command('ip', ['-n', namespace, ...args]);
  inside('link', 'set', 'lo', 'up');
  if (behind === undefined) {
    const address = lab.nextAddress();
    const link = `c10m${lab.number}h${address.split('.')[3]!}`;
    command('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    command('ip', ['link', 'set', link, 'master', lab.bridge, 'up']);
    inside('addr', 'add', `${address}/24`, 'dev', 'eth0');
    inside('link', 'set', 'eth0', 'up');
    return { address, link };
  }
  const { near, far } = lab.nextInnerPair();
  const link = `i${far.split('.')[3]!}`;
  command('ip', ['-n', behind.networkNamespace, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
  command('ip', ['-n', behind.networkNamespace, 'addr', 'add', `${near}/30`, 'dev', link]);
  command('ip', ['-n', behind.networkNamespace, 'link', 'set', link, 'up']);
  inside('addr', 'add', `${far}/30`, 'dev', 'eth0');
  inside('link', 'set', 'eth0', 'up');
  return { address: far, link: '' };
}

class NamespaceHost implements TestHost {
  readonly keyFile: string;
  readonly knownHostsFile: string;
  private initPid: number | undefined;
  private stopped = false;

  constructor(
    readonly name: string,
    readonly address: string,
    readonly port: number,
    readonly lab: Lab,
    readonly networkNamespace: string,
    readonly link: string,
    private readonly directory: string,
    private readonly logFile: string,
    private readonly process: ChildProcess,
  ) {
    this.keyFile = lab.keyFile;
    this.knownHostsFile = join(directory, 'known_hosts');
  }

  async waitUntilReady(): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!(await this.answers())) {
      if (Date.now() > deadline || this.process.exitCode !== null) throw new Error(`the test host ${this.name} did not start:\n${this.serverLog()}`);
      await delay(20);
    }
    this.initPid = Number(
      readFileSync(join('/proc', String(this.unsharePid()), 'task', String(this.unsharePid()), 'children'), 'utf8')
        .trim()
        .split(' ')[0],
    );
    const found = await this.exec('cat /etc/ssh/ssh_host_*_key.pub');
    const name = this.port === 22 ? this.address : `[${this.address}]:${this.port}`;
    const lines = found.stdout.split('\n').filter((line) => line !== '');
    writeFileSync(this.knownHostsFile, lines.map((line) => `${name} ${line.split(' ').slice(0, 2).join(' ')}\n`).join(''));
  }

  /** `ip netns exec` replaces itself by unshare, so the child's pid is unshare's. */
  private unsharePid(): number {
    return this.process.pid ?? 0;
  }

  /** Whether an SSH banner comes, tried from inside its network namespace so that hosts behind others can be tried too. */
  private async answers(): Promise<boolean> {
    if (this.link === '') {
      const probe = `exec 3<>/dev/tcp/127.0.0.1/${this.port} && timeout 2 head -c 4 <&3 | grep -q SSH-`;
      const result = await run('ip', ['netns', 'exec', this.networkNamespace, 'bash', '-c', probe]);
      return result.code === 0;
    }
    return new Promise((resolve) => {
      const socket = new Socket();
      const finish = (answer: boolean) => {
        socket.destroy();
        resolve(answer);
      };
      socket.setTimeout(2_000, () => finish(false));
      socket.once('error', () => finish(false));
      socket.once('data', (data) => finish(data.toString('latin1').startsWith('SSH-')));
      socket.connect(this.port, this.address);
    });
  }

  exec(shellCommand: string, input = ''): Promise<ExecResult> {
    const [program, ...words] = this.enter(shellCommand);
    return run(program!, words, input);
  }

  enter(shellCommand: string): string[] {
    if (this.initPid === undefined) throw new Error(`the test host ${this.name} is not running`);
    return ['nsenter', '-t', String(this.initPid), '-m', '-u', '-p', '-i', '-n', 'sh', '-c', shellCommand];
  }

  serverLog(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    running.delete(this);
    const gone =
      this.process.exitCode !== null || this.process.signalCode !== null ? Promise.resolve() : new Promise((resolve) => this.process.once('exit', resolve));
    this.process.ref();
    // Killing unshare takes init with it, and init all processes of the host.
    this.process.kill('SIGKILL');
    await gone;
    const clean = `for p in $(ip netns pids ${this.networkNamespace}); do kill -9 $p; done; ip netns del ${this.networkNamespace}; rm -rf ${this.directory}`;
    await run('sh', ['-c', clean]);
  }
}

/** Runs a program to its end. Output is kept up to 16 MiB, which no test reaches. */
export function run(program: string, args: readonly string[], input = '', environment?: NodeJS.ProcessEnv): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(environment === undefined ? {} : { env: environment }) });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }));
    child.stdin.end(input);
  });
}
