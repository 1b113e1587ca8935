import { readFile } from 'node:fs/promises';
import ssh2, { type BaseAgent, type ParsedKey } from 'ssh2';
import type { KeyFileFacts } from './keyFile.js';
import { inspectKeyFile, parsePublicKeyFile } from './keyFile.js';
import { fingerprint, typeOfKey } from './knownHosts.js';
import type { Secrets } from './secrets.js';
import type { SshSettings } from './settings.js';

/** A key that may be tried, wherever its private half is. */
export interface Identity {
  /** For the log and for error messages. */
  description: string;
  /** Offers exactly this key; asks for a passphrase only when the server wants the key. */
  agent: BaseAgent;
}

/** Key files are some KiB; anything much larger is none. */
const maximumKeyBytes = 64 * 1024;
/** An agent that does not answer (a hardware token waits for a touch, a pipe is dead) must not hold us for ever. */
const agentListTimeoutMs = 5_000;

interface KeyFile {
  path: string;
  text: string;
  facts: KeyFileFacts;
  publicKey: Buffer | undefined;
}

/**
 * The keys to try, in OpenSSH's order: those of the agent that are also configured as files, the agent's others (unless
 * IdentitiesOnly), then the files. `problems` are sentences for the error message, should nothing work.
 */
export async function loadIdentities(
  settings: SshSettings,
  secrets: Secrets,
  log: (line: string) => void,
): Promise<{ identities: Identity[]; problems: string[] }> {
  const problems: string[] = [];
  const files: KeyFile[] = [];
  for (const path of settings.identityFiles) {
    const file = await readKeyFile(path, problems);
    if (file !== undefined) files.push(file);
  }
  const held = settings.agent === undefined ? [] : await agentKeys(settings.agent, log);
  const preferred: Identity[] = [];
  const others: Identity[] = [];
  for (const key of held) {
    const wire = key.getPublicSSH();
    const inFile = files.findIndex((file) => file.publicKey?.equals(wire) === true);
    const identity = agentIdentity(settings.agent!, key);
    if (inFile !== -1) {
      files.splice(inFile, 1);
      preferred.push(identity);
    } else if (!settings.identitiesOnly) others.push(identity);
  }
  // A public key file alone stands for a key of the agent: without one it is of no use.
  const usable = files.filter((file) => file.text !== '');
  return { identities: [...preferred, ...others, ...usable.map((file) => fileIdentity(file, settings, secrets, problems))], problems };
}

async function readKeyFile(path: string, problems: string[]): Promise<KeyFile | undefined> {
  const publicText = await readSmall(`${path}.pub`);
  const publicKey = publicText === undefined ? undefined : parsePublicKeyFile(publicText);
  let text: string | undefined;
  try {
    text = await readSmallOrThrow(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // The default files mostly do not exist; that is no problem to speak of.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') problems.push(`the key file ${path} could not be read (${code ?? String(error)})`);
    return publicKey === undefined ? undefined : { path, text: '', facts: { encrypted: false, publicKey }, publicKey };
  }
  const ownPublic = parsePublicKeyFile(text);
  if (ownPublic !== undefined) return { path, text: '', facts: { encrypted: false, publicKey: ownPublic }, publicKey: ownPublic };
  const facts = inspectKeyFile(text);
  if (facts === undefined) {
    problems.push(`${path} is not a private key that C10M can read`);
    return undefined;
  }
  return { path, text, facts, publicKey: facts.publicKey ?? publicKey };
}

async function readSmallOrThrow(path: string): Promise<string> {
  const content = await readFile(path);
  return content.length > maximumKeyBytes ? '' : content.toString('utf8');
}

async function readSmall(path: string): Promise<string | undefined> {
  try {
    return await readSmallOrThrow(path);
  } catch {
    return undefined;
  }
}

function agentKeys(path: string, log: (line: string) => void): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      log(`the SSH agent at ${path} did not answer within ${agentListTimeoutMs / 1_000} s and is left out`);
      resolve([]);
    }, agentListTimeoutMs);
    ssh2.createAgent(path).getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error) log(`the SSH agent at ${path} cannot be used: ${error.message}`);
      const parsed = (keys ?? []).map((key) => ssh2.utils.parseKey(keyInput(key)));
      resolve(parsed.flatMap((key) => (key instanceof Error ? [] : Array.isArray(key) ? (key as ParsedKey[]) : [key])));
    });
  });
}

/** ssh2 hands out keys in several shapes, all of which its own parser takes. */
function keyInput(key: unknown): Buffer {
  return (typeof key === 'object' && key !== null && 'pubKey' in key ? keyInput(key.pubKey) : key) as Buffer;
}

type SignCallback = (error?: Error, signature?: Buffer) => void;
interface SignOptions {
  hash?: 'sha256' | 'sha512' | 'sha1';
}

/** An agent in ssh2's sense that knows one key. */
class SingleKeyAgent extends ssh2.BaseAgent {
  constructor(
    private readonly key: ParsedKey | Buffer,
    private readonly signWith: (data: Buffer, options: SignOptions, callback: SignCallback) => void,
  ) {
    super();
  }

  override getIdentities(callback: (error: Error | undefined, keys?: (ParsedKey | Buffer)[]) => void): void {
    callback(undefined, [this.key]);
  }

  override sign(_key: unknown, data: Buffer, options: unknown, callback?: unknown): void {
    if (typeof options === 'function') this.signWith(data, {}, options as SignCallback);
    else this.signWith(data, options ?? {}, callback as SignCallback);
  }
}

function agentIdentity(path: string, key: ParsedKey): Identity {
  const sign = (data: Buffer, options: SignOptions, callback: SignCallback) => {
    ssh2.createAgent(path).sign(key, data, options as never, callback as never);
  };
  return { description: `${key.type} ${fingerprint(key.getPublicSSH())} of the agent`, agent: new SingleKeyAgent(key, sign) };
}

function fileIdentity(file: KeyFile, settings: SshSettings, secrets: Secrets, problems: string[]): Identity {
  const unlock = () => unlockKey(file, settings, secrets, problems);
  const shown = file.publicKey === undefined ? '' : ` (${typeOfKey(file.publicKey)} ${fingerprint(file.publicKey)})`;
  return { description: `the key file ${file.path}${shown}`, agent: new FileAgent(file, unlock) };
}

/** An agent in ssh2's sense over one key file. */
class FileAgent extends ssh2.BaseAgent {
  constructor(
    private readonly file: KeyFile,
    private readonly unlock: () => Promise<ParsedKey | undefined>,
  ) {
    super();
  }

  override getIdentities(callback: (error: Error | undefined, keys?: (ParsedKey | Buffer)[]) => void): void {
    if (this.file.publicKey !== undefined) {
      const key = ssh2.utils.parseKey(this.file.publicKey);
      if (!(key instanceof Error)) {
        callback(undefined, [key]);
        return;
      }
    }
    // Only the private half shows which key it is, so it is needed before the server can be asked.
    void this.unlock().then((key) => callback(undefined, key === undefined ? [] : [key]));
  }

  override sign(_key: unknown, data: Buffer, options: unknown, callback?: unknown): void {
    const hash = typeof options === 'function' ? undefined : (options as SignOptions | undefined)?.hash;
    const done = (typeof options === 'function' ? options : callback) as SignCallback;
    void this.unlock().then((key) => {
      if (key === undefined) {
        done(new Error(`${this.file.path} stayed locked`));
        return;
      }
      const signature: unknown = key.sign(data, hash);
      if (signature instanceof Error) done(signature);
      else done(undefined, signature as Buffer);
    });
  }
}

/** The private key; asks for its passphrase, three times at most, and remembers the right one. Undefined when it stays locked. */
async function unlockKey(file: KeyFile, settings: SshSettings, secrets: Secrets, problems: string[]): Promise<ParsedKey | undefined> {
  const memoryKey = `passphrase ${file.path}`;
  if (!file.facts.encrypted) {
    const key = parsePrivate(file.text);
    if (key === undefined) problems.push(`the key file ${file.path} is damaged or of a kind that C10M cannot read`);
    return key;
  }
  const known = secrets.recall(memoryKey);
  if (known !== undefined) return parsePrivate(file.text, known);
  for (let attempt = 1; attempt <= 3 && !settings.batchMode; attempt++) {
    const passphrase = await secrets.ask({
      title: attempt === 1 ? `Key for ${settings.name}` : 'The passphrase was wrong',
      prompt: `Passphrase of the key ${file.path}`,
      kind: 'passphrase',
      echo: false,
    });
    if (passphrase === undefined || passphrase === '') break;
    const key = parsePrivate(file.text, passphrase);
    if (key !== undefined) {
      secrets.remember(memoryKey, passphrase);
      return key;
    }
  }
  problems.push(`the key file ${file.path} is encrypted and its passphrase was not given`);
  return undefined;
}

function parsePrivate(text: string, passphrase?: string): ParsedKey | undefined {
  const parsed: unknown = ssh2.utils.parseKey(text, passphrase);
  const key = Array.isArray(parsed) ? (parsed[0] as unknown) : parsed;
  return key instanceof Error || key === undefined ? undefined : (key as ParsedKey);
}
