import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HumanError, messageOf } from '../../core/errors.js';
import type { Prompts } from '../contract.js';
import type { LaptopEnvironment } from '../environment.js';
import { shellQuoted } from '../quote.js';
import {
  fingerprint,
  keyTypesOnFile,
  knownHostsLine,
  lookUpKey,
  lookupName,
  parseKnownHosts,
  typeOfKey,
  type HostIdentity,
  type KnownHost,
} from './knownHosts.js';
import { askKnownHostsCommand } from './knownHostsCommand.js';
import type { PersonWaits } from './personWaits.js';
import type { SshSettings } from './settings.js';
import { expandTokens } from './tokens.js';

/** known_hosts files that are larger are not read: 16 MiB hold about 150,000 hosts. */
const maximumKnownHostsBytes = 16 * 1024 * 1024;

export interface JudgeOptions {
  prompts: Prompts;
  signal: AbortSignal;
  log: (line: string) => void;
  waits: PersonWaits;
  environment: LaptopEnvironment;
  /** Whether the user lets this command of ssh_config be run; asked once per host. */
  mayRun: (host: string, option: string, command: string) => Promise<boolean>;
}

/** Decides about the key of one host, before anything about the user is sent. */
export class HostKeyJudge {
  private readonly identity: HostIdentity;
  /** A key accepted in this session although it could not be written. */
  private acceptedKey: Buffer | undefined;

  private constructor(
    private readonly settings: SshSettings,
    private readonly options: JudgeOptions,
    private entries: readonly KnownHost[],
    /** Undefined where there is none, or it may not be run. */
    private readonly command: string | undefined,
  ) {
    this.identity = identityOf(settings);
  }

  static async load(settings: SshSettings, options: JudgeOptions): Promise<HostKeyJudge> {
    const files = [...settings.userKnownHostsFiles, ...settings.globalKnownHostsFiles];
    const entries: KnownHost[] = [];
    for (const file of files) entries.push(...parseKnownHosts(await readText(file, options.log), file));
    const { knownHostsCommand } = settings;
    const mayRun =
      knownHostsCommand !== undefined && (await options.mayRun(settings.name, 'KnownHostsCommand', expandTokens(knownHostsCommand, settings.tokens)));
    if (knownHostsCommand !== undefined && !mayRun)
      options.log(`the KnownHostsCommand of ${settings.name} was not allowed to run: host keys come from files only`);
    const judge = new HostKeyJudge(settings, options, entries, mayRun ? knownHostsCommand : undefined);
    await judge.askCommand(undefined);
    return judge;
  }

  private async askCommand(key: Buffer | undefined): Promise<void> {
    const { command, settings, options, identity } = this;
    if (command === undefined) return;
    const question = { command, tokens: settings.tokens, lookupName: lookupName(identity), key };
    this.entries = [...this.entries, ...(await askKnownHostsCommand(question, options.environment, options.log, options.signal))];
  }

  /** The types on file, to be offered first. */
  get typesOnFile(): string[] {
    return keyTypesOnFile(this.entries, this.identity);
  }

  /** Returns for a key that may be trusted, and throws a HumanError `accessRefused` for any other. */
  async judge(key: Buffer): Promise<void> {
    const name = lookupName(this.identity);
    const shown = `${typeOfKey(key)} ${fingerprint(key)}`;
    await this.askCommand(key);
    const answer = lookUpKey(this.entries, this.identity, key);
    switch (answer.kind) {
      case 'match':
        this.options.log(`the host key of ${name} (${shown}) is the one in ${answer.entry.file}, line ${answer.entry.line}`);
        return;
      case 'revoked':
        throw new HumanError(
          `The host key of ${name} (${shown}) is marked as revoked in ${answer.entry.file}, line ${answer.entry.line}. Nothing was sent to the host.`,
          { code: 'accessRefused', remedy: 'Ask whoever runs the host for its new key. Do not connect until it has one.' },
        );
      case 'changed':
        throw changedKey(name, key, answer.expected);
      case 'unknown':
        if (this.acceptedKey?.equals(key) === true) return;
        await this.decideUnknown(key, answer.otherTypes, answer.authority);
    }
  }

  private async decideUnknown(key: Buffer, otherTypes: readonly KnownHost[], authority: boolean): Promise<void> {
    const name = lookupName(this.identity);
    const shown = `${typeOfKey(key)} ${fingerprint(key)}`;
    const { strictHostKeyChecking } = this.settings;
    const refused = (why: string) =>
      new HumanError(`The host key of ${name} (${shown}) is not known${why}. Nothing was sent to the host.`, {
        code: 'accessRefused',
        remedy:
          'Compare the fingerprint with the one that whoever runs the host gives you, then accept it (in a terminal: --accept-new), or log in once with ssh.',
      });
    if (strictHostKeyChecking === 'yes') throw refused(', and StrictHostKeyChecking is on');
    // A host that is known by another type of key may be one that somebody else answers for: never accepted unasked.
    const acceptUnasked = (strictHostKeyChecking === 'accept-new' || strictHostKeyChecking === 'no') && otherTypes.length === 0;
    if (!acceptUnasked) {
      this.options.waits.ask(`is the key of ${name} the right one?`);
      const question = {
        name: this.settings.name,
        address: this.identity.name,
        port: this.settings.port,
        keyType: typeOfKey(key),
        fingerprint: fingerprint(key),
        note: note(otherTypes, authority),
      };
      const accepted = await this.options.prompts.confirmHostKey(question, this.options.signal);
      if (!accepted) throw refused('');
    }
    this.acceptedKey = key;
    await this.write(key);
  }

  private async write(key: Buffer): Promise<void> {
    const file = this.settings.userKnownHostsFiles[0];
    if (file === undefined) return;
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const text = await readText(file, this.options.log);
      // A last line without its end would swallow ours, and ours would damage it.
      const separator = text === '' || text.endsWith('\n') ? '' : '\n';
      await appendFile(file, `${separator}${knownHostsLine(this.identity, key, this.settings.hashKnownHosts)}`, { mode: 0o600 });
      this.options.log(`the host key of ${lookupName(this.identity)} was added to ${file}`);
    } catch (error) {
      this.options.log(`the host key is trusted for this session only: ${file} could not be written (${messageOf(error)})`);
    }
  }
}

export function identityOf(settings: SshSettings): HostIdentity {
  return { name: settings.hostKeyAlias ?? settings.hostName, port: settings.port, isAlias: settings.hostKeyAlias !== undefined };
}

function changedKey(name: string, key: Buffer, expected: readonly KnownHost[]): HumanError {
  const onFile = expected.map((entry) => `${fingerprint(entry.key)} (${entry.file}, line ${entry.line})`).join(', ');
  const files = [...new Set(expected.map((entry) => entry.file))];
  const commands = files.map((file) => `ssh-keygen -R ${shellQuoted(name)} -f ${shellQuoted(file)}`).join(' && ');
  return new HumanError(
    `The host key of ${name} has changed: on file is ${typeOfKey(key)} ${onFile}, the host shows ${fingerprint(key)}. ` +
      'Somebody may be listening in, or the host was set up anew. Nothing was sent to it.',
    { code: 'accessRefused', remedy: `If you know that the host was set up anew, remove the old key with: ${commands}` },
  );
}

function note(otherTypes: readonly KnownHost[], authority: boolean): string | undefined {
  if (otherTypes.length > 0) {
    return `This host is known by other keys (${otherTypes.map((entry) => `${entry.keyType} ${fingerprint(entry.key)}`).join(', ')}), but not by this one. Be careful.`;
  }
  return authority ? 'A certificate authority vouches for this host, but C10M cannot check host certificates.' : undefined;
}

async function readText(file: string, log: (line: string) => void): Promise<string> {
  try {
    const content = await readFile(file);
    if (content.length <= maximumKnownHostsBytes) return content.toString('utf8');
    log(`${file} is larger than ${maximumKnownHostsBytes} bytes and was not read`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log(`${file} could not be read (${messageOf(error)})`);
  }
  return '';
}
