import { createHash } from 'node:crypto';
import { HumanError } from '../../core/errors.js';
import type { LaptopEnvironment } from '../environment.js';
import { expandGlob, expandTilde, isAbsolutePath, realConfigFileSystem, sshPaths, type ConfigFileSystem } from './configFiles.js';
import { splitArguments, splitLine } from './configLexer.js';
import { optionDefaults, options } from './configOptions.js';
import { ConfigReader, type ConfigProblem } from './configReader.js';
import { isPort, parseHostName } from './hostName.js';
import { expandTokens, type TokenValues } from './tokens.js';
import { unsupportedOptions, type UnsupportedOption } from './unsupported.js';

export type { ConfigProblem } from './configReader.js';

/** What ssh_config says of one host, under the keys and in the words of `ssh -G`. */
export interface ResolvedHost {
  /** As it was asked for. */
  name: string;
  /** By the keys of `ssh -G`; a list for keys that it prints several times, and for `userknownhostsfile` and `globalknownhostsfile`. */
  keys: Readonly<Record<string, string | readonly string[]>>;
  problems: readonly ConfigProblem[];
  /** What holds for this host and is not followed. */
  unsupported: readonly UnsupportedOption[];
}

export interface ConfigSources {
  environment: LaptopEnvironment;
  files?: ConfigFileSystem;
  /** Instead of the user's file; the system's is then not read, as with `ssh -F`. */
  configFile?: string;
}

/**
 * Resolves an alias or `user@name:port` through the user's and the system's ssh_config, as `ssh -G` does.
 * Throws a HumanError `usage` for a name that cannot be one.
 */
export function resolveHost(name: string, sources: ConfigSources): ResolvedHost {
  const { environment } = sources;
  const asked = parseHostName(name);
  const reader = new ConfigReader({ environment, files: sources.files ?? realConfigFileSystem, originalHost: asked.host, user: asked.user, port: asked.port });
  readAll(reader, sources);
  const finalHost = finalHostName(reader, asked.host);
  if (reader.wantsFinalPass) {
    reader.startFinalPass(finalHost);
    readAll(reader, sources);
  }
  if (!isPort(reader.values.get('port')?.[0] ?? '22')) {
    throw new HumanError(`The configuration of ${name} has the port ${reader.values.get('port')![0]!}, which is none.`, {
      code: 'usage',
      remedy: 'Correct it in ssh_config.',
    });
  }
  const unevaluated = reader.unevaluated.map((value) => ({ option: 'match', value, reason: 'C10M does not evaluate it', affectsLogin: true }));
  return {
    name,
    keys: printedKeys(reader, asked.host, finalHost, environment),
    problems: reader.problems,
    unsupported: [...unsupportedOptions(reader.values), ...unsupportedOptions(reader.ignored), ...unevaluated],
  };
}

function readAll(reader: ConfigReader, { environment, configFile }: ConfigSources): void {
  const paths = sshPaths(environment);
  reader.readFile(configFile ?? paths.userConfig, paths.userDirectory);
  if (configFile === undefined) reader.readFile(paths.systemConfig, paths.systemDirectory);
}

function finalHostName(reader: ConfigReader, originalHost: string): string {
  const hostName = reader.values.get('hostname')?.[0];
  return (hostName === undefined ? originalHost : expandTokens(hostName, { h: originalHost })).toLowerCase();
}

function printedKeys(reader: ConfigReader, originalHost: string, finalHost: string, environment: LaptopEnvironment): Record<string, string | string[]> {
  const keys: Record<string, string | string[]> = { host: originalHost };
  for (const [keyword, defaultValue] of Object.entries(optionDefaults)) keys[keyword] = typeof defaultValue === 'string' ? defaultValue : [...defaultValue];
  for (const [keyword, values] of reader.values) keys[keyword] = isList(keyword) ? values : values[0]!;
  keys['hostname'] = finalHost;
  keys['user'] ??= environment.userName;
  printProxy(keys, reader);
  if (keys['controlpath'] === 'none') delete keys['controlpath'];
  if (Array.isArray(keys['setenv'])) keys['setenv'] = firstOfEachVariable(keys['setenv']);
  // UpdateHostKeys is on by default only for those who keep to the default files.
  keys['updatehostkeys'] ??= reader.values.has('userknownhostsfile') || keys['verifyhostkeydns'] !== 'false' ? 'false' : 'true';
  const tokens = tokenValues(keys, environment);
  keys['userknownhostsfile'] = (keys['userknownhostsfile'] as string[]).map((path) => expandPath(path, environment, tokens) ?? path);
  const agent = keys['identityagent'];
  if (typeof agent === 'string' && !agent.startsWith('$')) keys['identityagent'] = expandPath(agent, environment, tokens) ?? agent;
  return keys;
}

function isList(keyword: string): boolean {
  const kind = options[keyword]?.kind;
  return kind === 'collect' || kind === 'collectWords' || kind === 'words';
}

function printProxy(keys: Record<string, string | string[]>, reader: ConfigReader): void {
  const jump = keys['proxyjump'];
  if (typeof jump === 'string') {
    if (jump.toLowerCase() === 'none') delete keys['proxyjump'];
    else keys['proxyjump'] = normaliseJump(jump, reader);
  }
  if (typeof keys['proxycommand'] === 'string' && keys['proxycommand'].toLowerCase() === 'none') delete keys['proxycommand'];
}

/** The last hop is printed in OpenSSH's normal form, the others as they stand. */
function normaliseJump(jump: string, reader: ConfigReader): string {
  const hops = jump.trim().split(',');
  try {
    const last = parseHostName(hops.pop()!.trim());
    // Brackets around anything made of digits and dots, as ssh -G prints it; IPv6 needs them.
    const bracket = /^[\d.]+$/.test(last.host) || last.host.includes(':');
    const printed = `${last.user === undefined ? '' : `${last.user}@`}${bracket ? `[${last.host}]` : last.host}${last.port === undefined ? '' : `:${last.port}`}`;
    return [...hops, printed].join(',');
  } catch {
    reader.problems.push({ file: '', line: 0, text: `ProxyJump ${jump} is not a list of hosts` });
    return jump;
  }
}

function firstOfEachVariable(assignments: readonly string[]): string[] {
  const names = new Set<string>();
  return assignments.filter((assignment) => {
    const name = assignment.split('=')[0]!;
    if (names.has(name)) return false;
    names.add(name);
    return true;
  });
}

/** The `%` tokens of a resolved host. */
export function tokenValues(keys: Readonly<Record<string, string | readonly string[]>>, environment: LaptopEnvironment): TokenValues {
  const text = (key: string) => (typeof keys[key] === 'string' ? keys[key] : '');
  const values = {
    d: environment.homeDirectory,
    h: text('hostname'),
    i: String(environment.userId),
    k: text('hostkeyalias') === '' ? text('host') : text('hostkeyalias'),
    L: environment.hostName.split('.')[0]!,
    l: environment.hostName,
    n: text('host'),
    p: text('port'),
    r: text('user'),
    u: environment.userName,
  };
  // A name for sockets, not a secret: SHA-1 because OpenSSH uses it.
  const C = createHash('sha1').update(`${values.l}${values.h}${values.p}${values.r}`).digest('hex');
  return { ...values, C };
}

/** A path of ssh_config with `~`, `${NAME}` and `%` tokens replaced; undefined when a variable is not set. */
export function expandPath(path: string, environment: LaptopEnvironment, tokens: TokenValues): string | undefined {
  const variables = path.replace(/\$\{([^}]{0,256})\}/g, (whole, name: string) => environment.variables[name] ?? whole);
  if (/\$\{[^}]{0,256}\}/.test(variables)) return undefined;
  return expandTilde(expandTokens(variables, tokens), environment);
}

/** One alias that a person can pick: a pattern of a `Host` line without wildcards. */
export interface HostAlias {
  alias: string;
  file: string;
  line: number;
}

/** The aliases of the user's ssh_config and the files it includes, in order, each once. Reads only. */
export function listAliases(sources: ConfigSources): HostAlias[] {
  const { environment, files = realConfigFileSystem } = sources;
  const paths = sshPaths(environment);
  const found = new Map<string, HostAlias>();
  // A file that is included twice has no more aliases than once.
  const visited = new Set<string>();
  const visit = (path: string, depth: number): void => {
    if (visited.has(path)) return;
    visited.add(path);
    const lines = (files.read(path) ?? '').replace(/^\uFEFF/, '').split('\n');
    lines.forEach((text, index) => {
      const line = splitLine(text);
      const words = line === undefined ? undefined : splitArguments(line.rest);
      if (line?.keyword === 'host') {
        for (const alias of words ?? []) {
          if (!/[*?!]/.test(alias) && alias !== '' && !found.has(alias)) found.set(alias, { alias, file: path, line: index + 1 });
        }
      } else if (line?.keyword === 'include' && depth < 16) {
        for (const pattern of words ?? []) {
          const expanded = expandTilde(pattern, environment);
          const absolute = isAbsolutePath(expanded, environment.platform) ? expanded : `${paths.userDirectory}/${expanded}`;
          for (const included of expandGlob(absolute, environment.platform, files)) visit(included, depth + 1);
        }
      }
    });
  };
  visit(sources.configFile ?? paths.userConfig, 0);
  return [...found.values()];
}
