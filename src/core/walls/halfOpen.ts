import type { Sample } from '../../protocol/events.js';
import { halfOpenFailure } from '../../protocol/worker.js';
import type { Recognised } from './blockedWalls.js';
import { formatCount } from '../units.js';

/** Samples in a row without any movement: a server that is only late moves. */
const stillPatience = 3;
/** A probe is sent after a second and answered within a round trip; a proof lasts four seconds (`worker/proof.ts`). */
const proofPatience = 6;
/** Each proof opens again what it found, through the same queues: five halve even a bad loss to a thirtieth. */
const maximumProofs = 5;
/** A server of the user is counted by the kernel's sockets in use, those of other programs among them. */
const commandTolerance = { connections: 20, ratio: 0.005 };

/** Counters of the server's kernel that grow when it forgets a handshake which the client took for complete. */
const droppedBy = ['ListenOverflows', 'ListenDrops', 'TCPReqQFullDoCookies', 'SyncookiesFailed', 'TCPTimeouts'];

/**
 * Watches for connections that only the clients know. A client has its connection when the server's SYN-ACK is there; if its own ACK then finds
 * the accept queue full, the kernel drops it (tcp(7), tcp_abort_on_overflow), and with SYN cookies it keeps nothing that could be repeated. Such a
 * connection looks established for ever, costs the server nothing, and would make every figure per connection wrong.
 *
 * Pure: fed with the samples of both sides, it answers `prove` when the clients should have theirs proven by keep-alive probes, or the wall
 * to name when proofs did not help.
 */
export class HalfOpenWatch {
  private previous: Sample | undefined;
  private stillSamples = 0;
  private proofs = 0;
  private foundBeforeProof = 0;
  private isReported = false;

  constructor(private readonly engine: string) {}

  /** `isExplained`: a wall was named that keeps a server from accepting. */
  observeSample(sample: Sample, isExplained: boolean): 'prove' | Recognised | undefined {
    const { previous } = this;
    this.previous = sample;
    const isRunning = sample.phase === 'ramping' || sample.phase === 'holding';
    if (!isRunning || this.isReported || this.behind(sample) === 0 || !isStill(sample, previous)) {
      this.stillSamples = 0;
      return undefined;
    }
    this.stillSamples++;
    const found = foundIn(sample);
    const hasHelped = found > this.foundBeforeProof;
    if (this.stillSamples >= stillPatience && (this.proofs === 0 || (hasHelped && this.proofs < maximumProofs))) {
      this.proofs++;
      this.foundBeforeProof = found;
      this.stillSamples = 0;
      return 'prove';
    }
    if (this.proofs === 0 || this.stillSamples < proofPatience) return undefined;
    this.isReported = true;
    if (hasHelped) return this.halfOpen(sample);
    return isExplained ? undefined : this.unaccepted(sample);
  }

  private behind({ established: { server, client } }: Sample): number {
    const tolerance = this.engine === 'command' || this.engine === 'attach' ? Math.max(commandTolerance.connections, client * commandTolerance.ratio) : 0;
    return client - server > tolerance ? client - server : 0;
  }

  private halfOpen(sample: Sample): Recognised {
    const counters = droppedBy.flatMap((name) => {
      const growth = sample.netstat[`TcpExt.${name}`] ?? 0;
      return growth === 0 ? [] : [`${name} ${formatCount(growth)}`];
    });
    const behind = formatCount(this.behind(sample));
    const text = `${behind} connections are known to the clients only, after ${formatCount(foundIn(sample))} such were opened again; the server's kernel counts ${counters.length === 0 ? 'nothing that says why' : counters.join(', ')}`;
    return { id: 'halfOpen', text };
  }

  private unaccepted(sample: Sample): Recognised {
    const behind = formatCount(this.behind(sample));
    return { id: 'serverAccept', text: `${behind} connections wait to be accepted: the server's kernel answers for them, the server has not taken them` };
  }
}

/** In words for the log, when a proof begins. */
export function describeProof({ established: { server, client } }: Sample): string {
  return `The clients hold ${formatCount(client)} connections and the server ${formatCount(server)}. Each is proven by a keep-alive probe; what the server does not know is opened again.`;
}

function foundIn(sample: Sample): number {
  return sample.failed.byErrno[halfOpenFailure] ?? 0;
}

function isStill(sample: Sample, previous: Sample | undefined): boolean {
  return sample.connecting === 0 && previous?.established.client === sample.established.client && previous.established.server === sample.established.server;
}
