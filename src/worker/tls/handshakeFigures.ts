import { LogHistogram } from '../../core/figures/logHistogram.js';
import { allocatedBytes } from '../../linux/memoryUse.js';
import type { TlsStats } from '../../protocol/tls.js';

/** What handshakes cost a worker: counted as they end, and reported with its other counters. */
export class HandshakeFigures {
  handshakes = 0;
  resumed = 0;
  cpuMicroseconds = 0;
  negotiated: string | undefined;
  private readonly latency = new LogHistogram();
  private readonly bytesBefore: number | undefined;

  /** `measuresCpu`: whoever makes the handshakes adds their CPU time. `heldBytes`: the memory in which this process keeps sessions, now. */
  constructor(
    private readonly measuresCpu: boolean,
    private readonly heldBytes: () => number | undefined = allocatedBytes,
  ) {
    this.bytesBefore = heldBytes();
  }

  done(latencyMs: number | undefined, isResumed: boolean): void {
    this.handshakes++;
    if (isResumed) this.resumed++;
    if (latencyMs !== undefined) this.latency.record(latencyMs * 1_000);
  }

  message(): TlsStats {
    const bytes = this.heldBytes();
    return {
      handshakes: this.handshakes,
      resumed: this.resumed,
      cpuMicroseconds: this.measuresCpu ? Math.round(this.cpuMicroseconds) : null,
      sessionBytes: bytes === undefined || this.bytesBefore === undefined ? null : Math.max(0, bytes - this.bytesBefore),
      ...(this.negotiated === undefined ? {} : { negotiated: this.negotiated }),
      ...(this.latency.count === 0 ? {} : { latency: this.latency.sparse() }),
    };
  }
}
