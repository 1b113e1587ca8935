import { execFile } from 'node:child_process';
import { boundedLine } from '../../core/foreignText.js';
import type { LaptopEnvironment } from '../environment.js';
import { splitArguments } from './configLexer.js';
import { fingerprint, parseKnownHosts, typeOfKey, type KnownHost } from './knownHosts.js';
import { expandTokens, type TokenValues } from './tokens.js';

/** Such a program asks a directory service, which answers in a second or not at all. */
const timeoutMs = 30_000;
/** Some keys are some KiB. */
const maximumBytes = 1024 * 1024;

export interface KnownHostsQuestion {
  /** As written in KnownHostsCommand. */
  command: string;
  tokens: TokenValues;
  /** As known_hosts would have it. */
  lookupName: string;
  /** Undefined before the host showed one: the program is then asked for the types it has. */
  key: Buffer | undefined;
}

/**
 * The program and its arguments, with their tokens replaced, as OpenSSH runs it: without a shell. Undefined for what is none, such as a program
 * without its whole path.
 */
export function knownHostsArguments({ command, tokens, lookupName, key }: KnownHostsQuestion): string[] | undefined {
  const values = {
    ...tokens,
    H: lookupName,
    I: key === undefined ? 'ORDER' : 'HOSTNAME',
    t: key === undefined ? 'NONE' : typeOfKey(key),
    K: key === undefined ? 'NONE' : key.toString('base64'),
    f: key === undefined ? 'NONE' : fingerprint(key),
  };
  const words = splitArguments(command)?.map((word) => expandTokens(word, values));
  return words?.[0]?.startsWith('/') === true || /^[A-Za-z]:[\\/]/.test(words?.[0] ?? '') ? words : undefined;
}

/** What a KnownHostsCommand says of a host, as lines of known_hosts. One that fails says nothing; the log has why. */
export function askKnownHostsCommand(
  question: KnownHostsQuestion,
  environment: LaptopEnvironment,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<KnownHost[]> {
  const words = knownHostsArguments(question);
  if (words === undefined) {
    log(`KnownHostsCommand ${boundedLine(question.command, 300)} is not run: it must begin with the whole path of a program`);
    return Promise.resolve([]);
  }
  const [program, ...programArguments] = words as [string, ...string[]];
  return new Promise((resolve) => {
    const options = {
      env: environment.variables as NodeJS.ProcessEnv,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: maximumBytes,
      signal,
      windowsHide: true,
    } as const;
    execFile(program, programArguments, { ...options, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error !== null) log(`KnownHostsCommand failed (${boundedLine(stderr.trim() === '' ? error.message : stderr.trim(), 500)})`);
      resolve(error === null ? parseKnownHosts(stdout, `KnownHostsCommand ${program}`) : []);
    });
  });
}
