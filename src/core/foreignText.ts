import { infinitePath } from './finiteNumbers.js';

/**
 * The one place where what a host, a neighbour or a file says becomes harmless. It is cleaned where it enters (`harmless`), so that within
 * the program every such text is one line without control characters, and once more where it leaves, for the grammar that it leaves into:
 * a terminal, Markdown, HTML, or the messages of VS Code. What is unsafe is shown as `\uXXXX`, never dropped: a reader sees that it was there.
 */

/**
 * Controls of terminals (C0 but tab and line feed, DEL, C1), what changes the direction or the order of text, what is invisible, line
 * separators that some programs follow, and halves of characters. The joiners that Persian and families of emoji need are none of it.
 */
const unsafe =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;
const lineFeed = /\r?\n/g;

/** Longer texts of others are cut where they enter; the longest that we send, a command, has 8,192 characters. */
const maximumLength = 16_384;
/** Deeper values than any message has are refused. */
const maximumDepth = 32;

const visible = (characters: string): string =>
  Array.from({ length: characters.length }, (_value, index) => `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');

/** For a terminal, a log or a dialog: lines and tabs stay, all other controls become visible. Of JSON it makes the same JSON. */
export function plainText(text: string): string {
  return text.replace(unsafe, visible);
}

/** As `plainText`, and on one line. */
export function plainLine(text: string): string {
  return plainText(text.replace(lineFeed, ' ⏎ '));
}

/** Inside a line of Markdown, of GitHub and of VS Code's MarkdownString with icons: nothing in it is markup, a link or an address that is made one. */
export function markdownText(text: string): string {
  return plainLine(text)
    .replace(/[\\`*_{}[\]|<>$~&#@]/g, '\\$&')
    .replace(/\b(https?|ftp|mailto|xmpp):/gi, '$1\\:')
    .replace(/\bwww\./gi, 'www\\.');
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Inside HTML or XML, also between quotes. */
export function htmlText(text: string): string {
  return plainText(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** For messages, prompts and items of VS Code, which make links of `[text](address)`, commands among them, and icons of `$(name)`. */
export function messageText(text: string): string {
  return plainText(text)
    .replace(/\](?=\()/g, '] ')
    .replace(/\$(?=\()/g, '$ ');
}

/**
 * A value that came from elsewhere, as parsed from JSON: every string and every key in it is one harmless line of bounded length. Undefined
 * for what is nested deeper than any message of ours.
 */
export function harmless<T>(value: T): T | undefined {
  try {
    return cleaned(value, 0) as T;
  } catch (error) {
    if (error instanceof TooDeepError) return undefined;
    throw error;
  }
}

class TooDeepError extends Error {}

/** The value of a JSON text from elsewhere, made harmless; undefined when it is none, or holds a number that is not finite. The usual line of a run has nothing to clean and costs one look. */
export function parseForeign(json: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (infinitePath(json, value) !== undefined) return undefined;
  const isClean = json.length <= maximumLength && !json.includes('\\') && !json.includes('__proto__') && json.search(unsafe) === -1;
  return isClean ? value : harmless(value);
}

function cleaned(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return boundedLine(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maximumDepth) throw new TooDeepError();
  if (Array.isArray(value)) return value.map((item) => cleaned(item, depth + 1));
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (key === '__proto__' ? [] : [[boundedLine(key), cleaned(item, depth + 1)]])));
}

/** One harmless line of at most 16,384 characters; what is cut is said. */
export function boundedLine(text: string, maximum = maximumLength): string {
  const line = plainLine(text.length > maximum ? text.slice(0, maximum) : text);
  return text.length > maximum ? `${line}… (${text.length - maximum} more characters)` : line;
}

/** As the kernel names its settings; one is a path below /proc/sys, and interfaces in it may have any letters. */
const settingName = /^[a-z0-9_]+(?:[./][A-Za-z0-9_:-]+){1,6}$/;
/** Numbers, or a list of ports. */
const settingValue = /^[0-9][0-9\t ,-]{0,200}$/;

/** The commands that do by hand what a restore would do or could not do; never those that the host wrote. */
export function restoreCommands({ keys }: { keys: readonly { key: string; original: string; outcome: string }[] }): string[] {
  return keys.flatMap(({ key, original, outcome }) => (outcome === 'wouldRestore' || outcome === 'refused' ? (settingCommand(key, original) ?? []) : []));
}

/** The command that sets a kernel setting by hand; undefined unless its name is one and its value numbers: nothing else is ever printed to be pasted. */
export function settingCommand(key: string, value: string): string | undefined {
  return settingName.test(key) && settingValue.test(value) ? `sysctl -w '${key}=${value.replaceAll('\t', ' ')}'` : undefined;
}
