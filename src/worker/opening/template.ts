import { randomBytes } from 'node:crypto';
import { HumanError } from '../../core/errors.js';
import { nearest } from '../../core/nearest.js';
import type { BytesText } from '../../protocol/opening.js';

/** What a template is filled in with for one connection. */
export interface ConnectionNames {
  /** Number of the connection: no other open one of the run has it. */
  connection: number;
  /** Address and port of the server, as in an HTTP Host header. */
  host: string;
  port: number;
}

type Part = Uint8Array | ((names: ConnectionNames) => string);
const perConnection = /\{(connection|random)(:[A-Za-z0-9_]+)?\}/;

/** Whatever looks like a name, so that a misspelt one is not sent as it is; bytes that look like it by chance are written as hex. */
const placeholder = /\{([a-z]+)(?::([A-Za-z0-9_]+))?\}/g;
const names: readonly string[] = ['connection', 'random', 'host', 'port', 'env'];
const longestRandom = 256;

/** Bytes that are the same for each connection, or made anew for each. Compiled once; a fixed one costs nothing per connection. */
export class Template {
  private readonly parts: Part[];
  /** Whether two connections to one destination get different bytes. */
  readonly isPerConnection: boolean;

  /** Throws a HumanError (usage) for a name that is wrong or an environment variable that is not set. */
  constructor(text: BytesText, secrets: Readonly<Record<string, string>>, where: string) {
    const list = Array.isArray(text) ? text : [text];
    this.isPerConnection = list.some((part) => perConnection.test(typeof part === 'string' ? part : 'text' in part ? part.text : ''));
    const parts = list.flatMap((part): Part[] => {
      if (typeof part === 'string') return compile(part, secrets, where);
      if ('text' in part) return compile(part.text, secrets, where);
      return [Buffer.from('hex' in part ? part.hex.replaceAll(/\s/g, '') : part.base64, 'hex' in part ? 'hex' : 'base64')];
    });
    const fixed = parts.every((part) => typeof part !== 'function') ? Buffer.concat(parts) : undefined;
    this.parts = fixed === undefined ? parts : [fixed];
  }

  /** Whether it is the same for all connections. */
  get isFixed(): boolean {
    return this.parts.length === 1 && typeof this.parts[0] !== 'function';
  }

  /** Its bytes; not to be changed. */
  render(names: ConnectionNames): Uint8Array {
    const [only] = this.parts;
    if (this.parts.length === 1 && typeof only !== 'function') return only!;
    return Buffer.concat(this.parts.map((part) => (typeof part === 'function' ? Buffer.from(part(names), 'utf8') : part)));
  }
}

/** A template that must be the same for all connections, such as what an answer begins with. */
export function fixedBytes(text: BytesText, secrets: Readonly<Record<string, string>>, where: string): Uint8Array {
  const template = new Template(text, secrets, where);
  if (!template.isFixed)
    throw new HumanError(`${where} names {connection}, {random}, {host} or {port}, but what is expected must be the same for all connections.`, {
      code: 'usage',
    });
  const bytes = template.render({ connection: 0, host: '', port: 0 });
  if (bytes.length === 0) throw new HumanError(`${where} is empty.`, { code: 'usage' });
  return bytes;
}

function compile(text: string, secrets: Readonly<Record<string, string>>, where: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(placeholder)) {
    if (match.index > from) parts.push(Buffer.from(text.slice(from, match.index), 'utf8'));
    parts.push(partOf(match[0], match[1]!, match[2], secrets, where));
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(Buffer.from(text.slice(from), 'utf8'));
  return parts;
}

function partOf(whole: string, name: string, argument: string | undefined, secrets: Readonly<Record<string, string>>, where: string): Part {
  const wrong = (remedy: string) => new HumanError(`${where}: ${whole} is not a valid name.`, { code: 'usage', remedy });
  const number = argument === undefined ? undefined : Number(argument);
  switch (name) {
    case 'connection':
      if (number !== undefined && !(number >= 1 && number <= 20)) throw wrong('Write {connection}, or {connection:8} for eight digits.');
      return ({ connection }) => String(connection).padStart(number ?? 0, '0');
    case 'random':
      if (number === undefined || !(number >= 1 && number <= longestRandom)) throw wrong('Write {random:16} for sixteen hex digits.');
      return () =>
        randomBytes(Math.ceil(number / 2))
          .toString('hex')
          .slice(0, number);
    case 'host':
      return ({ host }) => host;
    case 'port':
      return ({ port }) => String(port);
    case 'env': {
      const value = argument === undefined ? undefined : secrets[argument];
      if (value === undefined)
        throw new HumanError(`${where}: the environment variable ${argument ?? ''} is not set.`, { code: 'usage', remedy: 'Set it where you start the run.' });
      return Buffer.from(value, 'utf8');
    }
    case 'rest':
      throw wrong('{rest} is for the answers to what a server asks.');
    default: {
      const near = nearest(name, names);
      const meant = near === undefined ? `Names are ${names.map((one) => `{${one}}`).join(', ')}.` : `Did you mean {${near}}?`;
      throw wrong(`${meant} Bytes that only look like a name are written as {"hex": "…"}.`);
    }
  }
}
