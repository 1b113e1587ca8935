import type { Exchange } from './exchange.js';
import type { Answers } from './opening/answers.js';
import type { Stats } from './stats.js';

/** Any bytes are not an echo: what came back is compared with what was sent, byte by byte. What differs is counted and kept as the server's words. */
export class EchoJudge {
  constructor(
    private readonly exchange: Exchange,
    private readonly stats: Stats,
    private readonly answers: Answers,
  ) {}

  /** Whether bytes[start, end) on a connection are an echo that may come on it. */
  isEcho(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { exchange } = this;
    if (!exchange.expects(fd)) return false;
    if (exchange.isEcho(bytes, start, end)) return true;
    this.stats.notEchoed++;
    this.answers.add('message', bytes.subarray(start, end));
    return false;
  }
}
