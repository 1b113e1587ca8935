import { spawn } from 'node:child_process';
import { diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { arch, availableParallelism, hostname, loadavg, machine, networkInterfaces, release } from 'node:os';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { probedKeys } from '../core/plan/sysctls.js';
import { hostFactsSchema, type HostFacts, type SysctlFact } from '../protocol/facts.js';
import { couldSetNofile, readNofile } from '../linux/hostCalls.js';
import { probeOpenSsl } from '../linux/openssl.js';
import { threadCpuMicroseconds } from '../linux/threadClock.js';
import { bringLoopbackUp, unshareCommand } from '../linux/netns.js';
import { tunObstacle } from '../linux/tun.js';
import { parseMeminfo, parseSockstat, readCgroupLimits, readConntrack, readFileNumbers, readPageSize, readText } from '../linux/procfs.js';
import { readBootId } from '../linux/bootId.js';
import { outerFactsSchema, type OuterFacts } from './outerFacts.js';
import { SysctlFiles } from '../linux/sysctlFiles.js';

/** A probe reads some forty small files; one that takes longer hangs on something that no run should begin on. */
const probeTimeoutMs = 20_000;

/**
 * Reads the facts of this process's namespaces; `lo` should be up. Changes nothing (a raised limit of its own is put back). `isolated`: the
 * network namespace is the run's own, so that a device may be tried in it.
 */
export async function collectFacts(outer: OuterFacts, isolated: boolean, sysctls = new SysctlFiles()): Promise<HostFacts> {
  const meminfo = parseMeminfo(readText('/proc/meminfo') ?? '');
  const nofile = readNofile();
  const openLimit = Number(sysctls.read('fs.nr_open') ?? nofile.hard);
  const conntrack = (await isTracked()) ? readConntrack() : undefined;
  return {
    hostname: hostname(),
    kernel: release(),
    architecture: architectures[arch()] ?? machine(),
    libc: findLibc(),
    distribution: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText('/etc/os-release') ?? '')?.[1] ?? 'unknown',
    bootId: readBootId(),
    nodeVersion: process.versions.node,
    ...(outer.servers === undefined ? {} : { servers: outer.servers }),
    cores: availableParallelism(),
    memory: { totalBytes: meminfo.MemTotal ?? 0, availableBytes: meminfo.MemAvailable ?? 0 },
    pageBytes: readPageSize(),
    cgroup: readCgroupLimits(),
    user: outer.user,
    ...(outer.tasks === undefined ? {} : { tasks: outer.tasks }),
    privilege: outer.privilege,
    capabilities: outer.capabilities,
    nofile: { ...nofile, raisable: openLimit > nofile.hard && couldSetNofile(openLimit) ? openLimit : nofile.hard },
    filesInUse: readFileNumbers()?.used ?? null,
    namespace: outer.namespace,
    ...(isolated ? { tun: probeTun() } : {}),
    slabReadable: readText('/proc/slabinfo') !== undefined,
    tls: probeTls(),
    conntrack: conntrack === undefined ? null : { count: conntrack.used, maximum: conntrack.limit },
    sysctls: Object.fromEntries(probedKeys.map((key) => [key, probeSysctl(sysctls, key, outer)])),
    listeningPorts: readListeningPorts(),
    addresses: Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter((entry) => !entry.internal).map((entry) => entry.address)),
    tcpSocketsAllocated: parseSockstat(readText('/proc/net/sockstat') ?? '')?.allocated ?? null,
    loadAverage: loadavg()[0] ?? 0,
  };
}

/**
 * Where no rule asks for it, nothing in a network namespace is tracked though the module is loaded: that is the rule in a namespace of our own, and
 * on hosts without a firewall. A connection that counts tells, be it the login's or one to ourselves.
 */
async function isTracked(): Promise<boolean> {
  if (readConntrack() === undefined) return false;
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject).once('close', () => resolve());
      socket.resume();
    });
    return (readConntrack()?.used ?? 0) > 0;
  } catch {
    return true;
  } finally {
    server.close();
  }
}

function probeTun(): NonNullable<HostFacts['tun']> {
  const reason = tunObstacle();
  return reason === undefined ? { available: true } : { available: false, reason };
}

/** Batches of a few milliseconds; the fastest counts, since others may have run in the meantime. */
const arithmeticBatches = 4;
const arithmeticRounds = 8;
let knownTls: HostFacts['tls'];

/** Asked once by a process: neither its Node nor its processor changes. */
function probeTls(): HostFacts['tls'] {
  const { version, missing } = probeOpenSsl();
  knownTls ??= { openSsl: version, missing, arithmeticMicroseconds: measureArithmetic() };
  return knownTls;
}

/** CPU microseconds for what both sides of one handshake of TLS 1.3 compute: two key pairs, two shared secrets, a signature and its verification. */
function measureArithmetic(): number {
  const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const text = Buffer.alloc(64);
  const handshake = () => {
    const [client, server] = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')];
    diffieHellman({ privateKey: client.privateKey, publicKey: server.publicKey });
    diffieHellman({ privateKey: server.privateKey, publicKey: client.publicKey });
    verify('sha256', text, signing.publicKey, sign('sha256', text, signing.privateKey));
  };
  handshake();
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < arithmeticBatches; batch++) {
    const before = threadCpuMicroseconds();
    for (let round = 0; round < arithmeticRounds; round++) handshake();
    least = Math.min(least, (threadCpuMicroseconds() - before) / arithmeticRounds);
  }
  return Math.round(least);
}

function probeSysctl(sysctls: SysctlFiles, key: string, outer: OuterFacts): SysctlFact {
  const value = sysctls.read(key) ?? null;
  const hidden = outer.sysctls[key];
  // It binds this namespace, which cannot change it.
  if (value === null && hidden !== undefined) return { value: hidden, access: 'readOnly' };
  return { value, access: sysctls.access(key) };
}

/** The programs' own, as `uname -m` would call it: the kernel's may be another. */
const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', arm: 'armv7l' };

/** The C library that this Node was linked with, whatever else the host has. */
function findLibc(): HostFacts['libc'] {
  // Names of addresses would be asked for.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (header === undefined) return 'unknown';
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** State of a listening socket in /proc/net/tcp. */
const listenState = '0A';
/** Listening sockets come first in /proc/net/tcp; on a busy host the rest can be hundreds of megabytes, so reading stops here. */
const maximumTableBytes = 4 * 1024 * 1024;

function readListeningPorts(): number[] {
  const ports = new Set<number>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readBeginning(file, maximumTableBytes).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] !== listenState) continue;
      ports.add(Number.parseInt(fields[1]!.slice(fields[1]!.lastIndexOf(':') + 1), 16));
    }
  }
  return [...ports].sort((a, b) => a - b);
}

/** Reads until a line that is no listening socket any more, or the maximum. */
function readBeginning(path: string, maximumBytes: number): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch {
    return '';
  }
  try {
    const chunk = Buffer.alloc(64 * 1024);
    let text = '';
    while (text.length < maximumBytes) {
      const count = readSync(fd, chunk);
      if (count === 0) break;
      text += chunk.toString('latin1', 0, count);
      const last = text.trimEnd().split('\n').at(-1)?.trim().split(/\s+/);
      if (last?.[3] !== undefined && last[3] !== 'st' && last[3] !== listenState) break;
    }
    return text;
  } finally {
    closeSync(fd);
  }
}

/** The door of `agent.cjs probe`: prints the facts of the namespace it was started in. */
export async function probeMain(outerText: string, isolated: boolean, print: (text: string) => void): Promise<void> {
  if (isolated) bringLoopbackUp();
  const outer = v.parse(outerFactsSchema, JSON.parse(outerText));
  print(`${JSON.stringify(await collectFacts(outer, isolated))}\n`);
}

/** Facts as they will hold for a run: read by a short-lived child inside a namespace like the run's. */
export async function probeHost(agentPath: string, isolation: 'netns' | 'host', outer: OuterFacts): Promise<HostFacts> {
  const kind = isolation === 'host' ? 'none' : outer.namespace.kind;
  const node = [process.execPath, agentPath, 'probe', JSON.stringify(outer), kind === 'none' ? 'shared' : 'isolated'];
  const unshare = kind === 'none' ? undefined : unshareCommand(kind);
  const [command, ...args] = unshare === undefined ? node : [unshare.command, ...unshare.args, ...node];
  const text = await runForOutput(command!, args);
  return v.parse(hostFactsSchema, JSON.parse(text));
}

function runForOutput(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: probeTimeoutMs, killSignal: 'SIGKILL' });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2_000)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new HumanError(`The probe of this host ended with ${signal ?? `code ${code ?? 'unknown'}`}: ${errors.trim()}`));
    });
  });
}
