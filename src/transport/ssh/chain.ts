import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import { sleep } from '../../files/sleep.js';
import { throwIfCancelled } from '../../core/cancellation.js';
import type { LaptopEnvironment } from '../environment.js';
import { resolveHost, type ConfigSources } from './config.js';
import { expandTilde } from './configFiles.js';
import { openLink, type Link, type LinkOptions } from './link.js';
import { sshSettings, type SshSettings } from './settings.js';
import { unsupportedText } from './unsupported.js';

/** Jump hosts can name jump hosts of their own, and each other: far more than anyone has. */
const maximumHops = 16;

export interface ChainOptions extends LinkOptions {
  sources: ConfigSources;
  progress: (text: string) => void;
  /** Tried on the last host before the identities of ssh_config. */
  identityFile?: string | undefined;
}

/** A link to the last of several hosts; ending it ends them all. */
export interface Chain extends Link {
  settings: SshSettings;
}

/** Reaches a host through whatever ssh_config puts before it. Each hop is verified and authenticated by its own settings. */
export async function openChain(name: string, options: ChainOptions): Promise<Chain> {
  const hops = planHops(name, options);
  const links: Link[] = [];
  const endAll = () => {
    for (const link of [...links].reverse()) link.end();
  };
  try {
    for (const [index, settings] of hops.entries()) {
      throwIfCancelled(options.signal);
      options.progress(index === hops.length - 1 ? `Connecting to ${name}` : `Connecting to the jump host ${settings.name}`);
      const previous = links.at(-1);
      const openSocket = () => (previous === undefined ? proxyStream(settings, options) : forward(previous, settings, hops[index - 1]!));
      links.push(
        await openWithAttempts(settings, openSocket, options).catch((error: unknown) => {
          throw withUnsupported(error, settings);
        }),
      );
    }
  } catch (error) {
    endAll();
    throw error;
  }
  const last = links.at(-1)!;
  const closed = Promise.race(
    links.map((link, index) => link.closed.then((reason) => (index === links.length - 1 ? reason : `The jump host ${hops[index]!.name} is gone: ${reason}`))),
  );
  // A lost hop takes those behind it along; ssh2 does not notify them.
  void closed.then(endAll);
  return { client: last.client, settings: hops.at(-1)!, closed, end: endAll };
}

/** The hosts on the way, nearest first. Only the first of them may have a ProxyCommand. */
function planHops(name: string, { sources, log, identityFile }: ChainOptions): SshSettings[] {
  const resolve = (host: string): SshSettings => {
    const resolved = resolveHost(host, sources);
    for (const problem of resolved.problems) log(`${problem.file}:${problem.line}: ${problem.text}`);
    for (const { option, value, reason } of resolved.unsupported) log(`${host}: ${option} ${value} is not followed: ${reason}`);
    return sshSettings(resolved, sources.environment);
  };
  const expand = (settings: SshSettings, jumps: readonly string[], depth: number): SshSettings[] => {
    const before: SshSettings[] = [];
    jumps.forEach((jump, index) => {
      if (depth >= maximumHops || before.length >= maximumHops) {
        throw new HumanError(`The jump hosts of ${name} lead in a circle, or there are more than ${maximumHops}.`, {
          code: 'usage',
          remedy: 'Correct ProxyJump in ssh_config.',
        });
      }
      const hop = resolve(jump);
      // As OpenSSH: in a list, only the first host's own ProxyJump or ProxyCommand counts; the others are reached through it.
      before.push(...(index === 0 ? expand(hop, hop.jumps, depth + 1) : [{ ...hop, jumps: [], proxyCommand: undefined }]));
    });
    return [...before, jumps.length > 0 ? { ...settings, proxyCommand: undefined } : settings];
  };
  const resolved = resolve(name);
  const target =
    identityFile === undefined ? resolved : { ...resolved, identityFiles: [expandTilde(identityFile, sources.environment), ...resolved.identityFiles] };
  return expand(target, target.jumps, 0);
}

async function openWithAttempts(settings: SshSettings, openSocket: () => Promise<Duplex | undefined>, options: ChainOptions): Promise<Link> {
  // A ProxyCommand or a jump host is not tried again.
  const attempts = settings.proxyCommand === undefined && settings.jumps.length === 0 ? settings.connectionAttempts : 1;
  for (let attempt = 1; ; attempt++) {
    try {
      return await openLink(settings, openSocket, options);
    } catch (error) {
      if (!(error instanceof HumanError && error.code === 'unreachable' && attempt < attempts)) throw error;
      // As OpenSSH: one attempt a second.
      await sleep(1_000, options.signal).catch(() => throwIfCancelled(options.signal));
    }
  }
}

/** An option that ssh follows and C10M does not may be why: it is named with the error. */
function withUnsupported(error: unknown, settings: SshSettings): unknown {
  if (!(error instanceof HumanError) || error.code === 'cancelled') return error;
  const named = unsupportedText(settings.unsupported, error.message);
  if (named === undefined) return error;
  return new HumanError(error.message, { code: error.code, remedy: `${error.remedy ?? ''} ${named}`.trim(), cause: error });
}

/** A channel through a jump host; the jump host resolves the name, as with OpenSSH. */
function forward(through: Link, to: SshSettings, via: SshSettings): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) =>
      reject(
        new HumanError(`The jump host ${via.name} could not reach ${to.hostName} port ${to.port} (${message}).`, {
          code: 'unreachable',
          remedy: 'Check the name as the jump host sees it, and that its SSH server allows TCP forwarding.',
        }),
      );
    void through.closed.then((reason) => fail(reason));
    through.client.forwardOut('127.0.0.1', 0, to.hostName, to.port, (error, channel) => {
      if (error !== undefined) {
        fail(boundedLine(error.message, 300));
        return;
      }
      // A host that ends its side is gone; the jump host would keep the other half open for ever.
      channel.once('end', () => channel.close());
      resolve(channel);
    });
  });
}

/** The standard streams of the user's ProxyCommand as a socket; undefined without one. */
async function proxyStream(settings: SshSettings, options: ChainOptions): Promise<Duplex | undefined> {
  if (settings.proxyCommand === undefined) return undefined;
  if (settings.proxyUseFdpass) {
    throw new HumanError(`The ProxyCommand of ${settings.name} hands over an open connection (ProxyUseFdpass), which C10M cannot take. It was not run.`, {
      code: 'unsupported',
      remedy: 'Set ProxyUseFdpass no, and let the command pass data on (such as nc without -F).',
    });
  }
  if (!(await options.mayRun(settings.name, 'ProxyCommand', settings.proxyCommand))) {
    throw new HumanError(`The ProxyCommand of ${settings.name} was not allowed to run.`, {
      code: 'accessRefused',
      remedy: 'Allow it when asked, or use ProxyJump.',
    });
  }
  return runProxyCommand(settings.proxyCommand, options.sources.environment, options.log);
}

function runProxyCommand(command: string, environment: LaptopEnvironment, log: (line: string) => void): Duplex {
  const windows = environment.platform === 'win32';
  const shell = windows ? (environment.variables['ComSpec'] ?? 'cmd.exe') : '/bin/sh';
  // `exec`, as OpenSSH does, so that ending the child ends the program and not only its shell.
  const shellArguments = windows ? ['/d', '/s', '/c', `"${command}"`] : ['-c', `exec ${command}`];
  const child = spawn(shell, shellArguments, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment.variables,
    windowsVerbatimArguments: windows,
    windowsHide: true,
  });
  child.stderr.on('data', (chunk: Buffer) => log(`ProxyCommand: ${boundedLine(chunk.toString('utf8').trim(), 1_000)}`));
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.once('error', (error) => stream.destroy(new Error(`the ProxyCommand could not be started: ${error.message}`)));
  child.once('exit', (code) => {
    if (code !== 0 && code !== null) stream.destroy(new Error(`the ProxyCommand ended with code ${code}`));
  });
  child.stdin.on('error', () => undefined);
  // ssh2 listens too, but only from its connect on.
  stream.on('error', (error) => log(error.message));
  stream.once('close', () => child.kill());
  return stream;
}
