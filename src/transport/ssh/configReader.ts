import type { LaptopEnvironment } from '../environment.js';
import { expandGlob, expandTilde, isAbsolutePath, maximumGlobMatches, type ConfigFileSystem } from './configFiles.js';
import { nextWord, splitArguments, splitLine } from './configLexer.js';
import { ignoredKeywords, keywordAliases, options, parseTime, type OptionKind } from './configOptions.js';
import { matchHostList, matchPattern, matchPatternList } from './patterns.js';
import { expandTokens } from './tokens.js';

/** A line that was not followed, and why. */
export interface ConfigProblem {
  file: string;
  /** From 1. */
  line: number;
  text: string;
}

/** Files that include each other would go on for ever; OpenSSH's own limit. */
const maximumIncludeDepth = 16;
/** OpenSSH's SSH_MAX_IDENTITY_FILES. */
const maximumCollected = 100;
/** Files read for one host, so that files that include each other several times end too: they would grow as a power of the depth. */
const maximumFiles = 2_000;

interface ReaderInputs {
  environment: LaptopEnvironment;
  files: ConfigFileSystem;
  /** As it was typed, without user and port. */
  originalHost: string;
  /** The user given with the name; it goes before the file's. */
  user: string | undefined;
  port: string | undefined;
}

/**
 * Reads ssh_config files for one host, first value first, as OpenSSH's readconf.c does. Pure but for the file system that
 * it is given. Executes nothing: `Match exec` never matches.
 */
export class ConfigReader {
  readonly values = new Map<string, string[]>();
  /** Of options that are known and not read, the first value of each that holds for this host. */
  readonly ignored = new Map<string, string[]>();
  /** What is not evaluated: criteria of Match. */
  readonly unevaluated: string[] = [];
  readonly problems: ConfigProblem[] = [];
  /** A `Match final` or `canonical` was seen: OpenSSH reads everything once more, with the final host name. */
  wantsFinalPass = false;
  private finalPass = false;
  private filesRead = 0;
  private host: string;

  constructor(private readonly inputs: ReaderInputs) {
    this.host = inputs.originalHost;
    if (inputs.user !== undefined) this.values.set('user', [inputs.user]);
    if (inputs.port !== undefined) this.values.set('port', [inputs.port]);
  }

  /** Before the second reading: `host` is now the name that HostName gave. */
  startFinalPass(host: string): void {
    this.finalPass = true;
    this.filesRead = 0;
    this.host = host;
    this.values.set('hostname', [host]);
  }

  /** Reads one of the two top files. `includeDirectory`: where relative Includes are looked for. */
  readFile(path: string, includeDirectory: string): void {
    this.readOne(path, includeDirectory, { active: true }, false, 0);
  }

  private readOne(path: string, includeDirectory: string, state: { active: boolean }, neverMatch: boolean, depth: number): void {
    if (++this.filesRead > maximumFiles) return;
    const text = this.inputs.files.read(path);
    if (text === undefined) return;
    // A byte order mark, as Windows editors write it, would hide the first keyword.
    if (text.includes('\0')) {
      if (!this.finalPass) this.problems.push({ file: path, line: 0, text: 'is no text, so nothing in it is followed' });
      return;
    }
    const lines = text.replace(/^\uFEFF/, '').split('\n');
    lines.forEach((line, index) => {
      const problem = this.readLine(line, includeDirectory, state, neverMatch, depth);
      if (problem !== undefined && !this.finalPass) this.problems.push({ file: path, line: index + 1, text: problem });
    });
  }

  private readLine(line: string, includeDirectory: string, state: { active: boolean }, neverMatch: boolean, depth: number): string | undefined {
    const split = splitLine(line);
    if (split === undefined) return undefined;
    const keyword = keywordAliases[split.keyword] ?? split.keyword;
    if (split.rest === '') return `${split.keyword} has no value`;
    switch (keyword) {
      case 'host': {
        const patterns = splitArguments(split.rest);
        state.active = !neverMatch && patterns !== undefined && this.matchesHost(patterns);
        return patterns === undefined ? 'a quotation mark is not closed' : undefined;
      }
      case 'match': {
        const result = this.matches(split.rest);
        state.active = !neverMatch && result.matched;
        return result.problem;
      }
      case 'include':
        return this.include(split.rest, includeDirectory, state, neverMatch, depth);
      default:
        return this.set(keyword, split.rest, state.active);
    }
  }

  private include(rest: string, includeDirectory: string, state: { active: boolean }, neverMatch: boolean, depth: number): string | undefined {
    const patterns = splitArguments(rest);
    if (patterns === undefined) return 'a quotation mark is not closed';
    if (depth >= maximumIncludeDepth) return `more than ${maximumIncludeDepth} files include each other`;
    const { environment, files } = this.inputs;
    for (const pattern of patterns) {
      const expanded = expandTilde(pattern, environment);
      const absolute = isAbsolutePath(expanded, environment.platform) ? expanded : `${includeDirectory}/${expanded}`;
      const paths = expandGlob(absolute, environment.platform, files);
      if (paths.length >= maximumGlobMatches) this.problems.push({ file: '', line: 0, text: `Include ${pattern} names more files than are read` });
      for (const path of paths) {
        // Host and Match of the included file end with it.
        this.readOne(path, includeDirectory, { active: state.active }, neverMatch || !state.active, depth + 1);
      }
    }
    return undefined;
  }

  private set(keyword: string, rest: string, active: boolean): string | undefined {
    const option = options[keyword];
    if (option === undefined) {
      if (!ignoredKeywords.has(keyword)) {
        const isIgnored = matchPatternList(keyword, (this.values.get('ignoreunknown')?.[0] ?? '').toLowerCase()) === 'match';
        return isIgnored ? undefined : `${keyword} is not an option that C10M knows`;
      }
      if (active && !this.ignored.has(keyword)) this.ignored.set(keyword, splitArguments(rest) ?? [rest]);
      return undefined;
    }
    const parsed = parseValue(option, rest);
    if (typeof parsed === 'string') return `${keyword}: ${parsed}`;
    if (!active) return undefined;
    const existing = this.values.get(keyword);
    if (option.kind === 'collect' || option.kind === 'collectWords') {
      const all = [...(existing ?? [])];
      for (const value of parsed) {
        if (option.kind === 'collectWords' && value.startsWith('-')) removeMatching(all, value.slice(1));
        else if (!all.includes(value) && all.length < maximumCollected) all.push(value);
      }
      this.values.set(keyword, all);
    } else if (existing === undefined && !this.isOverridden(keyword)) this.values.set(keyword, parsed);
    return undefined;
  }

  /** Of ProxyCommand and ProxyJump only the first counts. */
  private isOverridden(keyword: string): boolean {
    if (keyword === 'proxycommand') return this.values.has('proxyjump');
    return keyword === 'proxyjump' && this.values.has('proxycommand');
  }

  private matchesHost(patterns: readonly string[]): boolean {
    let matched = false;
    for (const pattern of patterns) {
      const negated = pattern.startsWith('!');
      if (!matchPattern(this.host, negated ? pattern.slice(1) : pattern)) continue;
      if (negated) return false;
      matched = true;
    }
    return matched;
  }

  private matches(criteria: string): { matched: boolean; problem?: string } {
    let matched = true;
    let problem: string | undefined;
    let rest = criteria;
    for (let count = 0; ; count++) {
      const attribute = nextWord(rest);
      if (attribute === undefined || attribute.word === '' || attribute.word.startsWith('#')) {
        if (count === 0) return { matched: false, problem: 'Match has no criterion' };
        return problem === undefined ? { matched } : { matched, problem };
      }
      rest = attribute.rest;
      const negated = attribute.word.startsWith('!');
      const name = (negated ? attribute.word.slice(1) : attribute.word).toLowerCase();
      let holds: boolean;
      if (name === 'all') {
        holds = true;
      } else if (name === 'canonical' || name === 'final') {
        if (name === 'final') this.wantsFinalPass = true;
        holds = this.finalPass;
      } else {
        const value = nextWord(rest);
        if (value === undefined || value.word === '' || value.word.startsWith('#')) return { matched: false, problem: `Match ${name} has no value` };
        rest = value.rest;
        const result = this.criterion(name, value.word);
        if (result === undefined) {
          // Neither it nor its negation may decide: what is not evaluated must not switch settings on.
          if (matched && !this.finalPass && this.unevaluated.length < maximumCollected) this.unevaluated.push(`${name} ${value.word}`);
          matched = false;
          problem =
            name === 'exec'
              ? 'Match exec is never run by C10M: this block is treated as one that does not match'
              : `Match ${name} is not evaluated by C10M: this block is treated as one that does not match`;
          continue;
        }
        holds = result;
      }
      if (holds === negated) matched = false;
    }
  }

  private criterion(name: string, value: string): boolean | undefined {
    const { environment, originalHost } = this.inputs;
    switch (name) {
      case 'host': {
        const hostName = this.values.get('hostname')?.[0];
        const host = hostName === undefined ? originalHost : expandTokens(hostName, { h: originalHost });
        return matchHostList(this.finalPass ? (hostName ?? originalHost) : host, value) === 'match';
      }
      case 'originalhost':
        return matchHostList(originalHost, value) === 'match';
      case 'user':
        return matchPatternList(this.values.get('user')?.[0] ?? environment.userName, value) === 'match';
      case 'localuser':
        return matchPatternList(environment.userName, value) === 'match';
      case 'tagged':
        return matchPatternList(this.values.get('tag')?.[0] ?? '', value) === 'match';
      default:
        return undefined;
    }
  }
}

/** The value as a list of words, or what is wrong with it as a sentence. */
function parseValue(option: OptionKind, rest: string): string[] | string {
  if (option.kind === 'command') return [rest.replace(/^[ \t=]+/, '')];
  const words = splitArguments(rest);
  if (words === undefined) return 'a quotation mark is not closed';
  const first = words[0];
  if (first === undefined || first === '') return 'it has no value';
  if (option.kind === 'words' || option.kind === 'collectWords') return words;
  if (words.length > 1) return 'it has more than one value';
  switch (option.kind) {
    case 'number':
      return /^\d{1,9}$/.test(first) ? [String(Number(first))] : `${first} is not a number`;
    case 'time': {
      if (first === 'none') return ['none'];
      const seconds = parseTime(first);
      return seconds === undefined ? `${first} is not a time` : [String(seconds)];
    }
    case 'choice': {
      const printed = Object.hasOwn(option.words, first.toLowerCase()) ? option.words[first.toLowerCase()] : undefined;
      if (printed !== undefined) return [printed];
      if (option.orWord === true) return [String(parseTime(first) ?? first)];
      return `${first} is not one of ${Object.keys(option.words).join(', ')}`;
    }
    default:
      return [first];
  }
}

function removeMatching(values: string[], pattern: string): void {
  for (let index = values.length - 1; index >= 0; index--) if (matchPattern(values[index]!, pattern)) values.splice(index, 1);
}
