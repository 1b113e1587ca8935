import type { Answer } from '../../protocol/worker.js';

/** Different answers that are kept; a server that answers each connection otherwise fills no memory. */
const maximumAnswers = 12;
const longestAnswerBytes = 160;

/** The server's own words to connections that it refused or closed, each once, with how often it said so. */
export class Answers {
  private readonly list: Answer[] = [];

  /** `when`: what happened to the connection, such as `closed`, `opening 2`. The text is escaped. */
  add(when: string, bytes: Uint8Array): void {
    const text = printable(bytes.subarray(0, longestAnswerBytes));
    const known =
      this.list.find((answer) => answer.when === when && answer.text === text) ?? (this.isFull ? this.list.find((answer) => answer.when === when) : undefined);
    if (known !== undefined) known.count++;
    else if (!this.isFull) this.list.push({ when, text, count: 1 });
  }

  get all(): readonly Answer[] {
    return this.list;
  }

  private get isFull(): boolean {
    return this.list.length >= maximumAnswers;
  }
}

/** Bytes as a person may read them: ASCII as it is, line ends as \r and \n, everything else as \xNN. */
export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0x0d) text += '\\r';
    else if (byte === 0x0a) text += '\\n';
    else if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}
