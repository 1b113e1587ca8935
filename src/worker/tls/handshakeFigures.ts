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
  private readonly bytesBefore = allocatedBytes();

  /** `measuresCpu`: whoever makes the handshakes adds their CPU time. */
  constructor(private readonly measuresCpu: boolean) {}

  done(latencyMs: number | undefined, isResumed: boolean): void {
    this.handshakes++;
    if (isResumed) this.resumed++;
    if (latencyMs !== undefined) this.latency.record(latencyMs * 1_000);
  }

  message(): TlsStats {
    const bytes = allocatedBytes();
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
