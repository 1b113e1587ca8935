import type { Blocked, ForeignEvidence, Sample, Wall } from '../../protocol/events.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import { isForeign } from '../../protocol/spec.js';
import { halfOpenFailure } from '../../protocol/worker.js';
import { blockedWall, plannedHas, portWall, type Recognised } from './blockedWalls.js';
import { gainBeyond } from './ceiling.js';
import { isSlowing } from './catalogue.js';
import { formatCount } from '../units.js';
import { serverLimitText } from './serverLimits.js';
import { metWall, wallCatalogue, type WallId } from './catalogue.js';
import { tlsFailureOf } from './tlsFailures.js';

/** What the supervisor knows beside the samples. */
export interface WallEvidence {
  blocked: readonly Blocked[];
  /** What made the guard stop the ramp. */
  guard?: { id: string; evidence: string } | undefined;
  /** Connections per second that were asked for; 0 or absent: as fast as possible. */
  rate?: number;
  /** Open files of a server of the user, where the kernel shows them. */
  serverFiles?: { open: number; full?: number | undefined } | undefined;
  /** Connections in the accept queues of a server of the user; undefined where the kernel does not show them. */
  waiting?: number | undefined;
  /** The server's count is an estimate. */
  isEstimate?: boolean | undefined;
  /** What a server of the user said and did. */
  foreign?: ForeignEvidence | undefined;
}

/** Overflows of the accept queue in one second from which on it is a wall: a few belong to any steep ramp. */
const overflowsWorthTelling = 50;
/** Failures of one kind in one second that are no accident, as a share of the connections made in it. */
const failureShareWorthTelling = 0.02;
const failuresWorthTelling = 20;
/** A lag of the server, a busy machine: reported after so many samples in a row, since a second of it is ordinary. */
const patienceSamples = 5;
/** A server that ran out of files only because it had not closed yet what its clients had makes room again within a second or two. */
const filesPatienceSamples = 3;
const stoppedPatienceSamples = 3;
/** Missing a rate with all cores busy is plain sooner. */
const slowPatienceSamples = 3;

type Report = (found: Recognised) => void;

/**
 * Names the wall that stopped or slowed a ramp, each once. Pure: fed with samples and errnos, live or recorded. When nothing fits it says
 * `unknown`; a run that reaches what was asked for, at the speed that was asked for, names none.
 */
export class WallRecogniser {
  private readonly reported = new Set<string>();
  private first: Sample | undefined;
  private previous: Sample | undefined;
  private laggingSamples = 0;
  private slowSamples = 0;
  private unacceptedSamples = 0;
  private firstServerFiles: number | undefined;
  private overflowingSamples = 0;
  private stoppedSamples = 0;
  /** For how many samples in a row a server has been out of files. */
  private readonly outOfFiles = new Map<string, number>();

  constructor(
    private readonly plan: Plan,
    private readonly facts: HostFacts,
  ) {}

  get hasNamed(): boolean {
    return this.reported.size > 0;
  }

  /** The walls recognised with this sample that were not reported before. */
  observeSample(sample: Sample, evidence: WallEvidence = { blocked: [] }): Wall[] {
    const found: Wall[] = [];
    const report: Report = (recognised) => {
      found.push(...this.name(withServerWords(recognised, evidence.foreign), sample));
    };
    this.first ??= sample;
    if (sample.phase === 'ramping' || sample.phase === 'holding') {
      for (const block of this.lasting(evidence.blocked)) {
        const isOutOfPorts = block.errno === 'EADDRNOTAVAIL' && block.call === 'connect';
        // Judged when no client opens any more: until then others may have ports.
        if (isOutOfPorts && sample.phase === 'ramping' && this.opened(sample) > failuresWorthTelling) continue;
        report(isOutOfPorts ? portWall(evidence.blocked, this.plan, this.facts) : blockedWall(block, sample, this.plan, this.facts));
      }
      if (evidence.guard !== undefined) report({ id: evidence.guard.id as WallId, text: evidence.guard.evidence });
      const hasStopped = this.observeStopped(sample, evidence, report);
      if (!hasStopped) this.observeQueues(sample, report);
      this.observeFailures(sample, report);
      this.observeSpeed(sample, evidence.rate ?? 0, report);
      if (!hasStopped) this.observeServerBehind(sample, evidence, report);
    }
    this.observeMemory(sample, report);
    if (sample.phase === 'holding' && this.reported.size === 0) this.observeShortfall(sample, report);
    if (found.some((wall) => movedByKey.has(wall.id)) && plannedHas(this.plan, 'readOnlySysctl')) {
      report({ id: 'readOnlySysctl', text: this.plan.walls.find((wall) => wall.id === 'readOnlySysctl')!.evidence });
    }
    this.previous = sample;
    return found;
  }

  /** The wall as it is reported, unless it was reported before. */
  name({ id, text, remedy }: Recognised, sample: Sample): Wall[] {
    if (this.reported.has(id)) return [];
    this.reported.add(id);
    const at = this.held(sample);
    const wall = { ...metWall(id, at, text), ...(remedy === undefined ? {} : { remedy }) };
    const endsCeiling = this.plan.requested === 'max' && id !== 'unknown' && !isSlowing(id);
    return [endsCeiling ? { ...wall, remedy: `${wall.remedy} ${gainBeyond(id, at, this.plan)}` } : wall];
  }

  /** A host may have one side of the run only: then that side counts. */
  private held({ established }: Sample): number {
    if (this.plan.clientWorkers.length === 0) return established.server;
    return this.plan.serverWorkers.length === 0 ? established.client : Math.min(established.server, established.client);
  }

  /** Those that are no passing shortage of a server. */
  private lasting(blocked: readonly Blocked[]): Blocked[] {
    const passing = blocked.filter(({ role, errno }) => role === 'server' && errno === 'EMFILE');
    for (const worker of this.outOfFiles.keys()) if (!passing.some((block) => block.worker === worker)) this.outOfFiles.delete(worker);
    for (const { worker } of passing) this.outOfFiles.set(worker, (this.outOfFiles.get(worker) ?? 0) + 1);
    return blocked.filter((block) => !passing.includes(block) || this.outOfFiles.get(block.worker)! >= filesPatienceSamples);
  }

  /** Connections that came since the last sample. */
  private opened(sample: Sample): number {
    return Math.max(0, sample.established.client - (this.previous?.established.client ?? 0));
  }

  private growth(sample: Sample, name: string): number {
    return (sample.netstat[name] ?? 0) - (this.previous?.netstat[name] ?? 0);
  }

  /** A server of the user that takes no more although connections wait: neither its queue nor its speed is the limit. */
  private observeStopped(sample: Sample, { waiting = 0, serverFiles }: WallEvidence, report: Report): boolean {
    if (!isForeign(this.plan.engine) || this.previous === undefined) return false;
    const { server } = sample.established;
    const isStill = waiting > 0 && server > 0 && server === this.previous.established.server;
    this.stoppedSamples = isStill ? this.stoppedSamples + 1 : 0;
    if (!isStill || serverFiles?.full !== undefined) return false;
    // A busy server may stand for a second, with garbage to collect; one at its limit stays where it is.
    if (this.stoppedSamples >= stoppedPatienceSamples) {
      report({
        id: 'serverStopped',
        text: `the server has stayed at ${formatCount(server)} connections for ${this.stoppedSamples} s while ${formatCount(waiting)} wait to be accepted`,
      });
    }
    return true;
  }

  private observeQueues(sample: Sample, report: Report): void {
    const overflows = this.growth(sample, 'TcpExt.ListenOverflows');
    const opened = this.opened(sample);
    // Our clients back off, so a queue that is far too short shows as few overflows, but second after second.
    this.overflowingSamples = overflows >= 5 && overflows > opened * failureShareWorthTelling ? this.overflowingSamples + 1 : 0;
    if (overflows > overflowsWorthTelling || this.overflowingSamples >= 3) {
      const queue = this.acceptQueue();
      const text = `${formatCount(overflows)} connections found an accept queue full within a second (ListenOverflows); a queue holds ${queue === undefined ? 'what the server asked for' : formatCount(queue)}`;
      // A queue that holds a second of the ramp and still overflows is not too short: nobody empties it.
      report({ id: queue !== undefined && queue >= 16_384 ? 'serverAccept' : 'acceptQueue', text });
    }
    // With cookies the kernel answers all the same, but each answer means that a queue was full.
    const halfOpen = this.growth(sample, 'TcpExt.TCPReqQFullDrop') + this.growth(sample, 'TcpExt.TCPReqQFullDoCookies');
    if (halfOpen > overflowsWorthTelling && overflows === 0) {
      report({ id: 'synBacklog', text: `${formatCount(halfOpen)} connections found the queue of half-open ones full within a second (TCPReqQFull)` });
    }
  }

  /** What the accept queue of one port holds; undefined where the user's server chose it. */
  private acceptQueue(): number | undefined {
    const planned = this.plan.sysctls.find(({ key }) => key === 'net.core.somaxconn')?.target;
    const limit = Number(planned ?? this.facts.sysctls['net.core.somaxconn']?.value ?? Number.NaN);
    if (this.plan.engine !== 'epoll') return Number.isFinite(limit) && limit < 511 ? limit : undefined;
    return Number.isFinite(limit) ? Math.min(limit, this.plan.serverWorkers[0]?.backlog ?? limit) : undefined;
  }

  private observeFailures(sample: Sample, report: Report): void {
    const failures = (name: string) => (sample.failed.byErrno[name] ?? 0) - (this.previous?.failed.byErrno[name] ?? 0);
    const opened = this.opened(sample);
    const isMany = (count: number) => count >= Math.max(failuresWorthTelling, opened * failureShareWorthTelling);
    const openings = Object.keys(sample.failed.byErrno).filter((name) => name.startsWith('opening'));
    for (const name of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'handshake', ...openings]) {
      const count = failures(name);
      if (!isMany(count) || this.reported.has('acceptQueue')) continue;
      const what = failureText(name);
      report({ id: 'serverRefusing', text: `${formatCount(count)} ${what} within a second` });
    }
    const ofTls = Object.keys(sample.failed.byErrno).filter((name) => tlsFailureOf(name) !== undefined);
    const failedHandshakes = ofTls.map((name) => ({ name, count: failures(name) })).filter(({ count }) => count > 0);
    if (isMany(failedHandshakes.reduce((sum, { count }) => sum + count, 0))) report(tlsWall(failedHandshakes, ' within a second'));
    const halfOpen = failures(halfOpenFailure);
    if (isMany(halfOpen)) report({ id: 'halfOpen', text: `${formatCount(halfOpen)} connections that the clients held were unknown to the server's kernel` });
    const lost = sample.lost - (this.previous?.lost ?? 0);
    if (lost >= Math.max(failuresWorthTelling, sample.established.client * failureShareWorthTelling)) {
      report({ id: 'serverRefusing', text: `${formatCount(lost)} established connections were closed by the server within a second` });
    }
    const conntrack = sample.limits['conntrack'];
    if (conntrack !== undefined && conntrack.limit > 0 && conntrack.used >= conntrack.limit * 0.98) {
      report({ id: 'conntrack', text: `${formatCount(conntrack.used)} of ${formatCount(conntrack.limit)} tracked connections are in use` });
    }
  }

  /** Slower than asked for with every core busy. Without a rate, busy cores are what a ramp is meant to have. */
  private observeSpeed(sample: Sample, rate: number, report: Report): void {
    const left = sample.target - sample.established.client;
    const isSlow =
      sample.phase === 'ramping' && rate > 0 && left > sample.connectRate && sample.connectRate < rate * 0.9 && sample.cpu.host > sample.cpu.cores * 0.95;
    this.slowSamples = isSlow ? this.slowSamples + 1 : 0;
    if (this.slowSamples < slowPatienceSamples) return;
    const own = sample.cpu.server + sample.cpu.client + sample.cpu.supervisor;
    const cores = `${sample.cpu.host.toFixed(1)} of ${sample.cpu.cores} cores are busy, ${own.toFixed(1)} with this run`;
    report({ id: 'cpu', text: `${formatCount(sample.connectRate)} instead of ${formatCount(rate)} connections per second: ${cores}` });
  }

  private observeServerBehind(sample: Sample, evidence: WallEvidence, report: Report): void {
    if (this.plan.serverWorkers.length === 0 || this.plan.clientWorkers.length === 0) return;
    const { server, client } = sample.established;
    const behind = client - server;
    // One whose queue stands still is judged by that queue.
    const isStanding = (evidence.waiting ?? 0) > 0 && server === this.previous?.established.server;
    const isBehind = behind > Math.max(2_000, client * 0.2) && !isStanding;
    this.laggingSamples = isBehind ? this.laggingSamples + 1 : 0;
    if (this.laggingSamples >= patienceSamples) {
      report({
        id: 'serverAccept',
        text: `for ${patienceSamples} s the server has been ${formatCount(behind)} connections behind the clients, using ${sample.cpu.server.toFixed(1)} cores`,
      });
    }
    if (isForeign(this.plan.engine)) this.observeUnaccepted(sample, evidence, report);
  }

  /** A server of the user does not show what it accepted, but an accepted socket is an open file and a waiting one is not. */
  private observeUnaccepted(sample: Sample, { serverFiles, waiting }: WallEvidence, report: Report): void {
    const { client } = sample.established;
    if (waiting !== undefined) {
      this.observeQueue(sample, waiting, serverFiles?.full, report);
      return;
    }
    this.firstServerFiles ??= serverFiles?.open;
    const accepted = Math.max(0, serverFiles === undefined ? this.filesOfHost(sample) - client : serverFiles.open - (this.firstServerFiles ?? 0));
    const isWaiting = client - accepted > Math.max(500, client * 0.1);
    this.unacceptedSamples = isWaiting ? this.unacceptedSamples + 1 : 0;
    if (this.unacceptedSamples < patienceSamples || this.reported.has('serverRefusing') || this.reported.has('nofile')) return;
    const text = `the server has accepted about ${formatCount(accepted)} of ${formatCount(client)} connections`;
    const nofile = this.plan.serverWorkers[0]?.nofile ?? Number.POSITIVE_INFINITY;
    const isNearPlanned = serverFiles === undefined && accepted > nofile * 0.9 && accepted <= nofile;
    if (serverFiles?.full !== undefined) report({ id: 'nofile', text: `${text}; a process of it has all its ${formatCount(serverFiles.full)} files open` });
    else if (isNearPlanned) report({ id: 'nofile', text: `${text}; it may open ${formatCount(nofile)} files` });
    else report({ id: 'serverAccept', text });
  }

  /** The accept queues hold connections, and nobody has taken one for some seconds: whatever their number, the server does not serve them. */
  private observeQueue(sample: Sample, waiting: number, full: number | undefined, report: Report): void {
    const { server, client } = sample.established;
    const isStanding = waiting > 0 && server === this.previous?.established.server;
    this.unacceptedSamples = isStanding ? this.unacceptedSamples + 1 : 0;
    if (this.unacceptedSamples < patienceSamples || this.reported.has('serverRefusing') || this.reported.has('nofile')) return;
    const text = `the server has accepted ${formatCount(server)} of ${formatCount(client)} connections, and ${formatCount(waiting)} wait in its accept queues`;
    if (full !== undefined) report({ id: 'nofile', text: `${text}; a process of it has all its ${formatCount(full)} files open` });
    else report({ id: 'serverAccept', text });
  }

  /** Files opened on the host since the ramp began, without those of the clients before it. Other programs are in it too. */
  private filesOfHost(sample: Sample): number {
    const files = (of: Sample | undefined) => of?.limits['fileMax']?.used ?? 0;
    return files(sample) - files(this.first) + (this.first?.established.client ?? 0);
  }

  private observeMemory(sample: Sample, report: Report): void {
    const aborted = this.growth(sample, 'TcpExt.TCPAbortOnMemory');
    const pages = this.facts.sysctls['net.ipv4.tcp_mem']?.value?.trim().split(/\s+/).map(Number) ?? [];
    const maximumOrphans = Number(this.facts.sysctls['net.ipv4.tcp_max_orphans']?.value ?? Number.NaN);
    if (aborted > 0) {
      // Both ends in the same counter: too many orphans, or too many pages.
      const isFull = pages[1] !== undefined && Math.max(sample.sockstat?.memoryPages ?? 0, this.previous?.sockstat?.memoryPages ?? 0) >= pages[1];
      const text = `${formatCount(aborted)} sockets were reset for want of memory (TCPAbortOnMemory)`;
      if (isFull) report({ id: 'tcpMemory', text: `${text} at ${shown(sample.sockstat?.memoryPages)} pages` });
      else report({ id: 'orphans', text: `${text} with ${shown(sample.sockstat?.orphan)} orphans; the limit is ${formatCount(maximumOrphans)}` });
    }
    if (this.growth(sample, 'TcpExt.TCPMemoryPressures') > 0) {
      report({
        id: 'tcpMemory',
        text: `the kernel went into TCP memory pressure at ${shown(sample.sockstat?.memoryPages)} pages; tcp_mem is ${pages.join(' ')}`,
      });
    }
  }

  /** The ramp is over and there are fewer than asked for: what was known beforehand, or nothing that we know. */
  private observeShortfall(sample: Sample, report: Report): void {
    const { plan } = this;
    if (sample.established.client < sample.target && plan.clientWorkers.length > 0) {
      const missing = sample.target - sample.established.client;
      if (sample.lost >= missing) {
        report({ id: 'serverRefusing', text: `the server closed ${formatCount(sample.lost)} established connections; ${formatCount(missing)} are missing` });
        return;
      }
      const ofTls = Object.entries(sample.failed.byErrno).flatMap(([name, count]) => (tlsFailureOf(name) === undefined ? [] : [{ name, count }]));
      if (ofTls.length > 0) {
        report(tlsWall(ofTls, ''));
        return;
      }
      const errnos = Object.entries(sample.failed.byErrno).sort((a, b) => b[1] - a[1]);
      const failures = errnos.map(([name, count]) => `${name} ${formatCount(count)}`).join(', ');
      report({
        id: 'unknown',
        text: `${formatCount(missing)} connections are missing; failures: ${failures === '' ? 'none' : failures}`,
      });
      return;
    }
    if (plan.requested === 'max' || plan.connections >= plan.requested || sample.target < plan.connections) return;
    const wall = plan.walls.find((candidate) => candidate.atAfterTuning === plan.largestFit.afterTuning);
    if (wall !== undefined && wall.id in wallCatalogue) {
      report({ id: wall.id as WallId, text: `known beforehand, so that only ${formatCount(plan.connections)} were opened: ${wall.evidence}` });
    }
  }
}

/** Handshakes that failed, each kind with its sentence, the most frequent first. */
function tlsWall(failures: readonly { name: string; count: number }[], when: string): Recognised {
  const sorted = [...failures].sort((a, b) => b.count - a.count);
  const text = sorted.map(({ name, count }) => `${tlsFailureOf(name)!.text} (${formatCount(count)}${when})`).join('; ');
  return { id: 'tlsHandshake', text, remedy: tlsFailureOf(sorted[0]!.name)!.remedy };
}

/** Walls that a key moves: when it could not be written, that is reported too. */
const movedByKey: ReadonlySet<string> = new Set<WallId>(['fileMax', 'epollWatches', 'conntrack', 'portRange', 'acceptQueue', 'synBacklog', 'tcpMemory']);

const shown = (count: number | undefined) => (count === undefined ? 'an unknown number of' : formatCount(count));

function failureText(name: string): string {
  if (name === 'handshake') return 'WebSocket handshakes were refused';
  return name.startsWith('opening') ? `connections failed at step ${name.slice('opening '.length)} of the opening` : `connections failed with ${name}`;
}

/** Walls of the server itself: its own words and the setting behind them belong to the evidence. */
const wallsOfServer: ReadonlySet<WallId> = new Set<WallId>(['serverRefusing', 'serverStopped', 'serverTimeout']);

function withServerWords({ id, text }: Recognised, foreign: ForeignEvidence | undefined): Recognised {
  if (!wallsOfServer.has(id)) return { id, text };
  const said = foreign?.answers?.[0];
  const words = said === undefined || text.includes(said.text) ? '' : `; the server said: ${said.text === '' ? 'nothing' : said.text}`;
  const setting = id === 'serverTimeout' ? undefined : serverLimitText(foreign?.program);
  return { id, text: `${text}${words}${setting === undefined ? '' : `. ${setting}`}` };
}
