import { setKeepAlive } from '../linux/sockets.js';
import type { DescriptorList } from './connectionTable.js';

/** Sockets in one turn of the loop: about 4 ms at 2 µs each. */
const socketsPerTurn = 2048;
/** The first probe comes after this time without a segment; less cannot be asked for. */
const idleSeconds = 1;
/** Three probes: one may find a full queue on its way. */
const proofMs = 4_000;
const reopeningSeconds = 5;
/** Connections per second of one worker: one each 5 ms, which even a queue of a few places takes. */
const slowestReopening = 200;

/**
 * Has the kernel prove each open connection: it sends a keep-alive probe, and a peer that does not know the connection answers with a reset
 * (RFC 9293, 3.10.7.1 and 3.8.4). No byte of data is sent, and the probes are taken off again after four seconds.
 */
export class Proof {
  private descriptors: Int32Array | undefined;
  private next = 0;
  private found = 0;
  /** Undefined while probes are being put on. */
  private offAt: number | undefined;

  constructor(private readonly open: DescriptorList) {}

  /** Whether a reset may be the answer to a probe. */
  get isUnderWay(): boolean {
    return this.descriptors !== undefined;
  }

  /**
   * One more was found. Connections per second at which those that were found should be opened again, until the next order: together they
   * would fill the same queue once more.
   */
  reopeningRate(orderedRate: number): number {
    const rate = Math.max(slowestReopening, ++this.found / reopeningSeconds);
    return orderedRate === 0 ? rate : Math.min(orderedRate, rate);
  }

  /** Anew when one is under way already. */
  begin(): void {
    this.descriptors = this.open.snapshot();
    this.next = 0;
    this.found = 0;
    this.offAt = undefined;
  }

  /** Returns the milliseconds until it has something to do. */
  onTurn(now: number): number {
    const { descriptors } = this;
    if (descriptors === undefined) return Number.POSITIVE_INFINITY;
    if (this.offAt !== undefined && now < this.offAt) return this.offAt - now;
    const isOn = this.offAt === undefined;
    const end = Math.min(descriptors.length, this.next + socketsPerTurn);
    for (; this.next < end; this.next++) {
      const fd = descriptors[this.next]!;
      // It may have been closed meanwhile, and the number be another connection's: that is proven as well.
      if (this.open.has(fd)) setKeepAlive(fd, isOn ? idleSeconds : 0);
    }
    if (this.next < descriptors.length) return 0;
    this.next = 0;
    if (!isOn) {
      this.descriptors = undefined;
      return Number.POSITIVE_INFINITY;
    }
    this.offAt = now + proofMs;
    return proofMs;
  }
}
