import type { HostFacts } from '../protocol/facts.js';
import type { Sample, Wall } from '../protocol/events.js';
import type { Plan } from '../protocol/plan.js';
import { formatCount } from './units.js';
import { wallCatalogue, type WallId } from './walls.js';

/** What the supervisor knows beside the samples. */
export interface WallEvidence {
  blocked: readonly { worker: string; role: 'server' | 'client'; errno: string; call: string; text: string }[];
  guardTripped: boolean;
}

/** Overflows of the accept queue in one second from which on it is a wall: a few belong to any steep ramp. */
const overflowsWorthTelling = 50;

/** errno and system call that stop a worker, with the wall they mean. The first line that fits counts. */
const blockedRules: readonly { errno: string; call?: RegExp; id: WallId }[] = [
  { errno: 'EMFILE', id: 'nofile' },
  { errno: 'ENFILE', id: 'fileMax' },
  { errno: 'EADDRNOTAVAIL', call: /bind/, id: 'bindWithoutNoPort' },
  { errno: 'EADDRNOTAVAIL', id: 'portRange' },
  { errno: 'ENOSPC', call: /epoll/, id: 'epollWatches' },
  { errno: 'ENOBUFS', id: 'tcpMemory' },
  { errno: 'ENOMEM', id: 'memory' },
  { errno: 'EPERM', id: 'missingCapability' },
  { errno: 'EACCES', id: 'missingCapability' },
  { errno: 'ECONNREFUSED', id: 'serverRefusing' },
];

/** Names the wall that stopped or slowed a ramp, each once. Pure: fed with samples and errnos, live or recorded. */
export class WallRecogniser {
  private readonly told = new Set<WallId>();
  private previous: Sample | undefined;

  constructor(
    private readonly plan: Plan,
    private readonly facts: HostFacts,
  ) {}

  /** The walls recognised with this sample that were not told before. */
  observe(sample: Sample, evidence: WallEvidence = { blocked: [], guardTripped: false }): Wall[] {
    const found: Wall[] = [];
    const tell = (id: WallId, text: string) => {
      if (this.told.has(id)) return;
      this.told.add(id);
      found.push({ id, ...wallCatalogue[id], at: Math.min(sample.established.server, sample.established.client), evidence: text });
    };
    for (const block of evidence.blocked) {
      const rule = blockedRules.find(({ errno, call }) => errno === block.errno && (call === undefined || call.test(block.call)));
      tell(rule?.id ?? 'unknown', `${block.call} of ${block.worker} says ${block.errno}: ${block.text}`);
    }
    this.observeCounters(sample, tell);
    if (evidence.guardTripped) this.observeGuard(sample, tell);
    this.previous = sample;
    return found;
  }

  private observeCounters(sample: Sample, tell: (id: WallId, text: string) => void): void {
    const growth = (name: string) => (sample.netstat[name] ?? 0) - (this.previous?.netstat[name] ?? 0);
    const overflows = growth('TcpExt.ListenOverflows');
    if (overflows > overflowsWorthTelling)
      tell('acceptQueue', `${formatCount(overflows)} connections found the accept queue full within a second (ListenOverflows)`);
    const memoryAborts = growth('TcpExt.TCPAbortOnMemory');
    if (memoryAborts > 0)
      tell(sample.sockstat.orphan > 1_000 ? 'orphans' : 'tcpMemory', `${formatCount(memoryAborts)} sockets were reset for want of memory (TCPAbortOnMemory)`);
    if (growth('TcpExt.TCPMemoryPressures') > 0) tell('tcpMemory', 'the kernel went into TCP memory pressure (TCPMemoryPressures)');
  }

  private observeGuard(sample: Sample, tell: (id: WallId, text: string) => void): void {
    const share = (name: string) => {
      const limit = sample.limits[name];
      return limit === undefined || limit.limit === 0 ? 0 : limit.used / limit.limit;
    };
    const { cgroup } = this.facts;
    if (sample.memory.availableBytes < sample.memory.guardBytes * 1.1)
      tell(
        'memory',
        `${formatCount(sample.memory.availableBytes / 1_048_576)} MiB are available, ${formatCount(this.plan.guardBytes / 1_048_576)} MiB must stay free`,
      );
    else if (share('conntrack') > 0.85) tell('conntrack', 'the connection tracking table is 90 % full');
    else if (share('fileMax') > 0.9) tell('fileMax', 'the open files of the machine are 95 % of fs.file-max');
    else if (cgroup.memoryMaximumBytes !== null && (sample.memory.cgroupCurrentBytes ?? 0) > 0.85 * cgroup.memoryMaximumBytes)
      tell('cgroupMemory', 'the control group uses 90 % of its memory.max');
  }
}
