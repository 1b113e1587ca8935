import type { AlgorithmLists } from './algorithms.js';
import type { LaptopEnvironment } from '../environment.js';
import { expandPath, tokenValues, type ResolvedHost } from './config.js';
import { sshPaths } from './configFiles.js';
import { expandTokens, type TokenValues } from './tokens.js';
import type { UnsupportedOption } from './unsupported.js';

/** What C10M follows of a resolved host, typed, with paths expanded. */
export interface SshSettings {
  /** As it was asked for: an alias or `user@name:port`. */
  name: string;
  hostName: string;
  port: number;
  user: string;
  addressFamily: 'any' | 'inet' | 'inet6';
  bindAddress: string | undefined;
  /** For TCP and the handshake, without the time a person needs. */
  connectTimeoutMs: number;
  connectionAttempts: number;
  identityFiles: string[];
  /** Of CertificateFile; those beside the key files are looked for, too. */
  certificateFiles: string[];
  identitiesOnly: boolean;
  /** Socket or pipe of the agent; undefined for none. */
  agent: string | undefined;
  /** Of ProxyJump, with its tokens replaced; nearest first. */
  jumps: string[];
  /** With its tokens replaced, for a shell of the laptop. */
  proxyCommand: string | undefined;
  /** The ProxyCommand hands over an open connection (ProxyUseFdpass), which cannot be taken. */
  proxyUseFdpass: boolean;
  hostKeyAlias: string | undefined;
  userKnownHostsFiles: string[];
  globalKnownHostsFiles: string[];
  /** As written: its tokens are those of the key that is asked about. */
  knownHostsCommand: string | undefined;
  /** The tokens of this host. */
  tokens: TokenValues;
  strictHostKeyChecking: 'yes' | 'no' | 'ask' | 'accept-new';
  hashKnownHosts: boolean;
  /** Milliseconds, and how many may go unanswered. */
  keepaliveIntervalMs: number;
  keepaliveCountMax: number;
  /** In this order. */
  preferredAuthentications: string[];
  numberOfPasswordPrompts: number;
  batchMode: boolean;
  compression: boolean;
  algorithms: AlgorithmLists;
  /** Of ssh_config, for errors. */
  unsupported: readonly UnsupportedOption[];
}

/** Without a ConnectTimeout: long enough for a far host behind two jumps, short enough to wait for. */
const defaultConnectTimeoutMs = 20_000;
/**
 * A dead link is noticed within 15 s, whatever the file says of longer intervals: ssh2 gives up at the fourth interval after
 * the last answer. An outage of 10 s is survived.
 */
const keepaliveIntervalMs = 3_600;
const keepaliveCountMax = 3;
const defaultAuthentications = ['publickey', 'keyboard-interactive', 'password'];

/** Turns the words of ssh_config into what the connection needs. */
export function sshSettings(resolved: ResolvedHost, environment: LaptopEnvironment): SshSettings {
  const tokens = tokenValues(resolved.keys, environment);
  const text = (key: string): string | undefined => (typeof resolved.keys[key] === 'string' ? resolved.keys[key] : undefined);
  const list = (key: string): readonly string[] => (Array.isArray(resolved.keys[key]) ? (resolved.keys[key] as readonly string[]) : []);
  const paths = (values: readonly string[]): string[] => values.flatMap((value) => (isNowhere(value) ? [] : (expandPath(value, environment, tokens) ?? [])));
  const connectTimeout = Number(text('connecttimeout') ?? 'none');
  const proxyCommand = text('proxycommand');
  const allowed = {
    publickey: text('pubkeyauthentication') !== 'false',
    'keyboard-interactive': text('kbdinteractiveauthentication') !== 'no',
    password: text('passwordauthentication') !== 'no',
  };
  const preferred = text('preferredauthentications')?.split(',') ?? defaultAuthentications;
  return {
    name: resolved.name,
    hostName: text('hostname') ?? resolved.name,
    port: Number(text('port')),
    user: text('user') ?? environment.userName,
    addressFamily: (text('addressfamily') ?? 'any') as SshSettings['addressFamily'],
    bindAddress: text('bindaddress'),
    connectTimeoutMs: connectTimeout > 0 ? connectTimeout * 1_000 : defaultConnectTimeoutMs,
    connectionAttempts: Math.min(Math.max(Number(text('connectionattempts') ?? 1), 1), 10),
    identityFiles: paths(list('identityfile')),
    certificateFiles: paths(list('certificatefile')),
    identitiesOnly: text('identitiesonly') === 'yes',
    agent: agentPath(text('identityagent'), environment, (path) => expandPath(path, environment, tokens)),
    jumps:
      text('proxyjump')
        ?.split(',')
        .map((jump) => expandTokens(jump.trim(), tokens)) ?? [],
    proxyUseFdpass: text('proxyusefdpass') === 'yes',
    proxyCommand: proxyCommand === undefined ? undefined : expandTokens(proxyCommand, tokens),
    hostKeyAlias: text('hostkeyalias'),
    userKnownHostsFiles: paths(list('userknownhostsfile')),
    globalKnownHostsFiles: systemPaths(paths(list('globalknownhostsfile')), environment),
    knownHostsCommand: text('knownhostscommand')?.toLowerCase() === 'none' ? undefined : text('knownhostscommand'),
    tokens,
    strictHostKeyChecking: strictness(text('stricthostkeychecking')),
    hashKnownHosts: text('hashknownhosts') === 'yes',
    keepaliveIntervalMs: Math.min(Number(text('serveraliveinterval')) * 1_000 || keepaliveIntervalMs, keepaliveIntervalMs),
    keepaliveCountMax: Math.min(Math.max(Number(text('serveralivecountmax')) || keepaliveCountMax, 1), keepaliveCountMax),
    preferredAuthentications: preferred.filter((method) => Object.hasOwn(allowed, method) && allowed[method as keyof typeof allowed]),
    numberOfPasswordPrompts: Math.max(Number(text('numberofpasswordprompts') ?? 3), 1),
    batchMode: text('batchmode') === 'yes',
    compression: text('compression') === 'yes',
    algorithms: { kex: text('kexalgorithms'), cipher: text('ciphers'), hmac: text('macs'), serverHostKey: text('hostkeyalgorithms') },
    unsupported: resolved.unsupported,
  };
}

/** `none`, or the file that holds nothing: on Windows a program would make a file of that name on the drive. */
function isNowhere(path: string): boolean {
  return ['none', '/dev/null', 'nul'].includes(path.toLowerCase());
}

function strictness(word: string | undefined): SshSettings['strictHostKeyChecking'] {
  if (word === 'true') return 'yes';
  if (word === 'false') return 'no';
  return word === 'accept-new' ? 'accept-new' : 'ask';
}

/** IdentityAgent: `none`, `SSH_AUTH_SOCK`, `$NAME` or a path; without it the agent of the session, which on Windows is a pipe. */
function agentPath(setting: string | undefined, environment: LaptopEnvironment, expand: (path: string) => string | undefined): string | undefined {
  if (setting === 'none') return undefined;
  if (setting === undefined || setting === 'SSH_AUTH_SOCK') {
    const socket = environment.variables['SSH_AUTH_SOCK'];
    if (socket !== undefined && socket !== '') return socket;
    return environment.platform === 'win32' ? '\\\\.\\pipe\\openssh-ssh-agent' : undefined;
  }
  if (/^\$\w+$/.test(setting)) return environment.variables[setting.slice(1)];
  return expand(setting);
}

function systemPaths(paths: string[], environment: LaptopEnvironment): string[] {
  if (environment.platform !== 'win32') return paths;
  return paths.map((path) => path.replace(/^\/etc\/ssh\//, `${sshPaths(environment).systemDirectory}/`));
}
