import { readFile } from 'node:fs/promises';
import ssh2, { type BaseAgent, type ParsedKey } from 'ssh2';
import { boundedLine } from '../../core/foreignText.js';
import { messageOf } from '../../core/errors.js';
import { agentFlags, listAgentKeys, signWithAgent, type HeldKey } from './agentClient.js';
import { parseCertificate, type Certificate } from './certificates.js';
import { describeForeignKey, inspectKeyFile, parsePublicKeyFile } from './keyFile.js';
import { FileKey, type IdentitySources, type KeyFile } from './fileKey.js';
import { fingerprint, typeOfKey } from './knownHosts.js';
import { OneKeyAgent } from './oneKeyAgent.js';
import type { SignatureHash } from './privateKey.js';
import type { SshSettings } from './settings.js';
import { keyWithWholeSignature } from './wholeSignatures.js';
import { WireReader } from './wire.js';

/** A key that may be tried, wherever its private half is. */
export interface Identity {
  /** For the log and for error messages. */
  description: string;
  /** Offers exactly this key; asks for a passphrase only when the server wants the key. */
  agent: BaseAgent;
}

/** Long enough to unlock a vault; one that is dead is then passed over, since a key file may do. */
const unlockLimitMs = 60_000;
/** Key files are some KiB; anything much larger is none. */
const maximumKeyBytes = 64 * 1024;

/**
 * The keys to try, in OpenSSH's order: certificates, then the keys of the agent that are also configured as files, the agent's others (unless
 * IdentitiesOnly), then the files. `problems` are sentences for the error message, should nothing work.
 */
export async function loadIdentities(settings: SshSettings, sources: IdentitySources): Promise<{ identities: Identity[]; problems: string[] }> {
  const problems: string[] = [];
  const files: KeyFile[] = [];
  for (const path of settings.identityFiles) {
    const file = await readKeyFile(path, problems);
    if (file !== undefined) files.push(file);
  }
  const held = settings.agent === undefined ? [] : await agentKeys(settings.agent, sources, problems);
  const fileKeys = new Map(files.filter((file) => file.text !== '').map((file) => [file, new FileKey(file, settings, sources, problems)]));
  const certificates = await loadCertificates(settings, sources, held, fileKeys);
  const preferred: Identity[] = [];
  const others: Identity[] = [];
  for (const { blob } of held) {
    const inFile = files.findIndex((file) => file.publicKey?.equals(blob) === true);
    const identity = agentIdentity(settings.agent!, blob, sources);
    if (identity === undefined) problems.push(`the key ${typeOfKey(blob)} of the agent is of a kind that C10M cannot use`);
    else if (inFile !== -1) {
      files.splice(inFile, 1);
      preferred.push(identity);
    } else if (!settings.identitiesOnly) others.push(identity);
  }
  const usable = files.filter((file) => {
    // A security key signs in its token, which only an agent reaches.
    const isToken = file.publicKey !== undefined && typeOfKey(file.publicKey).startsWith('sk-');
    if (isToken) problems.push(`the key file ${file.path} is that of a security key, which C10M reaches through an SSH agent only: ssh-add ${file.path}`);
    return !isToken && fileKeys.has(file);
  });
  for (const problem of problems) sources.log(boundedLine(problem, 500));
  return { identities: [...certificates, ...preferred, ...others, ...usable.map((file) => fileIdentity(file, fileKeys.get(file)!))], problems };
}

async function readKeyFile(path: string, problems: string[]): Promise<KeyFile | undefined> {
  const publicText = await readSmall(`${path}.pub`);
  const publicKey = publicText === undefined ? undefined : parsePublicKeyFile(publicText.toString('utf8'));
  let content: Buffer;
  try {
    content = await readSmallOrThrow(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // The default files mostly do not exist; that is no problem to speak of.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') problems.push(`the key file ${path} could not be read (${code ?? String(error)})`);
    return publicKey === undefined ? undefined : { path, text: '', facts: { encrypted: false, publicKey }, publicKey };
  }
  const text = content.toString('utf8');
  const ownPublic = parsePublicKeyFile(text);
  if (ownPublic !== undefined) return { path, text: '', facts: { encrypted: false, publicKey: ownPublic }, publicKey: ownPublic };
  const facts = inspectKeyFile(text);
  if (facts === undefined) {
    const foreign = describeForeignKey(content);
    problems.push(foreign === undefined ? `${path} is not a private key that C10M can read` : `${path} is ${foreign}`);
    return undefined;
  }
  return { path, text, facts, publicKey: facts.publicKey ?? publicKey };
}

async function readSmallOrThrow(path: string): Promise<Buffer> {
  const content = await readFile(path);
  return content.length > maximumKeyBytes ? Buffer.alloc(0) : content;
}

async function readSmall(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmallOrThrow(path);
  } catch {
    return undefined;
  }
}

/** What the agent holds. An agent that is locked may ask somebody first: that is waited for, and shown. */
async function agentKeys(path: string, { log, waits, signal }: IdentitySources, problems: string[]): Promise<HeldKey[]> {
  try {
    return await waits.during(
      `the SSH agent at ${path} to list its keys (it may want to be unlocked)`,
      signal,
      (limited) => listAgentKeys(path, limited),
      unlockLimitMs,
    );
  } catch (error) {
    if (signal.aborted) throw error;
    log(`the SSH agent at ${path} cannot be used: ${boundedLine(messageOf(error), 300)}`);
    problems.push(`the SSH agent at ${path} cannot be used (${boundedLine(messageOf(error), 300)})`);
    return [];
  }
}

/** Certificates of CertificateFile and those beside the key files, for which the agent or a file has the private key. */
async function loadCertificates(
  settings: SshSettings,
  sources: IdentitySources,
  held: readonly HeldKey[],
  fileKeys: ReadonlyMap<KeyFile, FileKey>,
): Promise<Identity[]> {
  const identities: Identity[] = [];
  for (const path of [...settings.certificateFiles, ...settings.identityFiles.map((file) => `${file}-cert.pub`)]) {
    const text = await readSmall(path);
    const blob = text === undefined ? undefined : parsePublicKeyFile(text.toString('utf8'));
    const certificate = blob === undefined ? undefined : parseCertificate(blob);
    if (certificate === undefined) continue;
    const shown = `the certificate ${path} (${certificate.type}${hasEnded(certificate) ? ', which has expired' : ''})`;
    const inAgent = held.some((key) => key.blob.equals(certificate.publicKey));
    const file = [...fileKeys].find(([known]) => known.publicKey?.equals(certificate.publicKey) === true || `${known.path}-cert.pub` === path)?.[1];
    if (inAgent) {
      const flags = typeOfKey(certificate.publicKey) === 'ssh-rsa' ? agentFlags.sha512 : 0;
      const sign = (data: Buffer) => agentSignature(settings.agent!, certificate.publicKey, data, flags, sources);
      identities.push({ description: shown, agent: new OneKeyAgent(() => Promise.resolve(keyWithWholeSignature(certificate.blob)), sign) });
    } else if (file !== undefined) {
      const sign = async (data: Buffer) => (await file.unlocked()).signWire(data);
      identities.push({ description: shown, agent: new OneKeyAgent(() => Promise.resolve(keyWithWholeSignature(certificate.blob)), sign) });
    } else sources.log(`${shown} is not used: nothing holds its private key`);
  }
  return identities;
}

function hasEnded({ validBefore }: Certificate): boolean {
  return validBefore < BigInt(Math.floor(Date.now() / 1_000));
}

/** Keys that ssh2 knows it signs with itself; certificates and security keys get a signature that is whole. */
function agentIdentity(path: string, blob: Buffer, sources: IdentitySources): Identity | undefined {
  const type = typeOfKey(blob);
  const description = `${type} ${fingerprint(blob)} of the agent`;
  if (parseCertificate(blob) !== undefined || type.startsWith('sk-')) {
    const flags = type.startsWith('ssh-rsa') ? agentFlags.sha512 : 0;
    const sign = (data: Buffer) => agentSignature(path, blob, data, flags, sources);
    return { description, agent: new OneKeyAgent(() => Promise.resolve(keyWithWholeSignature(blob)), sign) };
  }
  const known = ssh2.utils.parseKey(blob);
  if (known instanceof Error) return undefined;
  const sign = async (data: Buffer, hash: SignatureHash) =>
    withoutType(await agentSignature(path, blob, data, type === 'ssh-rsa' ? agentFlags[hash] : 0, sources));
  return { description, agent: new OneKeyAgent(() => Promise.resolve(known), sign) };
}

function agentSignature(path: string, blob: Buffer, data: Buffer, flags: number, { waits, signal }: IdentitySources): Promise<Buffer> {
  const purpose = 'the SSH agent to sign (it may ask for a confirmation or a touch)';
  return waits.during(purpose, signal, (limited) => signWithAgent(path, blob, data, flags, limited));
}

/** The string after the type, which is what ssh2 takes. */
function withoutType(signature: Buffer): Buffer {
  const reader = new WireReader(signature);
  reader.string();
  return reader.string() ?? Buffer.alloc(0);
}

function fileIdentity(file: KeyFile, key: FileKey): Identity {
  const shown = file.publicKey === undefined ? '' : ` (${typeOfKey(file.publicKey)} ${fingerprint(file.publicKey)})`;
  // Where only the private half tells which key it is, it is needed before the server can be asked.
  const offer = async () => ssh2.utils.parseKey(file.publicKey ?? (await key.unlocked()).publicKey) as ParsedKey;
  return {
    description: `the key file ${file.path}${shown}`,
    agent: new OneKeyAgent(offer, async (data, hash) => (await key.unlocked()).sign(data, hash)),
  };
}
