import type { Sample, Summary } from '../../protocol/events.js';
import type { SavedRun } from '../../protocol/result.js';
import { usableMemoryBytes } from '../plan/costs.js';
import { formatBytes, formatCount, formatRate } from '../units.js';
import { isTargetReached } from '../verdict.js';
import { isSlowing } from '../walls/catalogue.js';

/** A server is run so many times: the middle one of three is no accident. */
export const comparisonRounds = 3;

/** One run of a server, with the first sample of its ramp. */
export interface ServerRun {
  run: Pick<SavedRun, 'spec' | 'plan' | 'facts' | 'summary'>;
  first: Sample | undefined;
}

/** What one run says of its server. null: it is not known. */
export interface ServerFigures {
  held: number;
  /** Bytes of the server's side for each connection: of the kernel (upstream sockets of a proxy included), and of its own processes beyond what they began with. */
  kernelBytes: number | null;
  userBytes: number | null;
  /** What its processes had before the first connection. */
  startBytes: number | null;
  connectsPerSecond: number;
  /** Of both sides. */
  cpuMicroseconds: number | null;
  /** Connections that would fit in the memory of this host with the clients on other hosts. */
  memoryCeiling: number | null;
  /** The lowest limit that the plan knows beside memory. */
  limit: { at: number; title: string } | undefined;
}

/** One server of a comparison; a figure is the median of its runs that reached their target. */
export interface ServerRow {
  name: string;
  asked: number | 'max';
  runs: number;
  reached: number;
  /** The wall of the first run that did not reach its target, or why it failed. */
  problem?: string;
  figures: ServerFigures | undefined;
}

const processEntries = ['serverProcesses', 'serverTls', 'clientProcesses', 'clientTls', 'programFiles'];

/** Undefined without connections on both sides. */
export function serverFigures({ run, first }: ServerRun): ServerFigures | undefined {
  const { summary, facts, plan } = run;
  const held = summary === undefined ? 0 : Math.min(summary.established.server, summary.established.client);
  if (summary === undefined || held === 0) return undefined;
  const kernelBytes = kernelBytesOf(summary);
  const startBytes = first === undefined ? null : ownBytes(first.ledger.entries);
  const atPeak = summary.ledger === null ? null : ownBytes(summary.ledger.entries);
  const userBytes = startBytes === null || atPeak === null ? null : Math.max(0, atPeak - startBytes) / summary.established.server;
  const usable =
    facts === undefined || plan === undefined ? null : usableMemoryBytes(facts.memory.availableBytes, facts.tcpSocketsAllocated ?? 0) - plan.guardBytes;
  const perConnection = kernelBytes === null || userBytes === null ? null : kernelBytes + userBytes;
  const lowest = plan?.walls
    .filter(({ id, atAfterTuning }) => atAfterTuning !== null && !memoryWalls.has(id) && !isSlowing(id))
    .sort((a, b) => a.atAfterTuning! - b.atAfterTuning!)[0];
  return {
    held,
    kernelBytes,
    userBytes,
    startBytes,
    connectsPerSecond: summary.connectRate.mean,
    cpuMicroseconds: summary.cpuMicrosecondsPerConnection,
    memoryCeiling: usable === null || perConnection === null ? null : Math.max(0, Math.floor((usable - (startBytes ?? 0)) / perConnection)),
    limit: lowest === undefined ? undefined : { at: lowest.atAfterTuning!, title: lowest.title },
  };
}

const memoryWalls: ReadonlySet<string> = new Set(['memory', 'cgroupMemory']);

function ownBytes(entries: Readonly<Record<string, number>>): number | null {
  const processes = entries['serverProcesses'];
  return processes === undefined ? null : processes + (entries['serverTls'] ?? 0);
}

/** The server's share of what the kernel holds: its ends of all that there are, those towards upstream servers among them. */
function kernelBytesOf({ ledger, established, foreign }: Summary): number | null {
  if (ledger === null || ledger.approximate) return null;
  const kernel = Object.entries(ledger.entries).reduce((sum, [id, bytes]) => sum + (processEntries.includes(id) ? 0 : bytes), 0);
  const upstream = foreign?.upstream ?? 0;
  const ends = established.server + established.client + upstream;
  return (kernel * (established.server + upstream)) / ends / established.server;
}

/** The runs of one server as a row. */
export function serverRow(name: string, asked: ServerRow['asked'], runs: readonly ServerRun[]): ServerRow {
  const reached = runs.filter(({ run }) => run.summary?.verdict === 'finished' && isTargetReached(run.summary, run.spec));
  const all = (reached.length > 0 ? reached : runs).flatMap((run) => serverFigures(run) ?? []);
  const failed = runs.find((run) => !reached.includes(run))?.run.summary;
  const problem = failed === undefined ? undefined : (failed.walls[0]?.title ?? failed.reason ?? 'the target was not reached');
  return {
    name,
    asked,
    runs: runs.length,
    reached: reached.length,
    ...(problem === undefined ? {} : { problem }),
    figures: all.length === 0 ? undefined : medianOf(all),
  };
}

function medianOf(all: readonly ServerFigures[]): ServerFigures {
  const of = (value: (figures: ServerFigures) => number | null) => {
    const known = all.flatMap((figures) => value(figures) ?? []).sort((a, b) => a - b);
    return known.length === 0 ? null : known[(known.length - 1) >> 1]!;
  };
  return {
    held: of(({ held }) => held) ?? 0,
    kernelBytes: of(({ kernelBytes }) => kernelBytes),
    userBytes: of(({ userBytes }) => userBytes),
    startBytes: of(({ startBytes }) => startBytes),
    connectsPerSecond: of(({ connectsPerSecond }) => connectsPerSecond) ?? 0,
    cpuMicroseconds: of(({ cpuMicroseconds }) => cpuMicroseconds),
    memoryCeiling: of(({ memoryCeiling }) => memoryCeiling),
    limit: all[0]!.limit,
  };
}

export const serverHeads: readonly string[] = [
  'server',
  'connections',
  'kernel, per connection',
  'server, per connection',
  'server at start',
  'connects/s',
  'CPU per connection',
  'fits in memory',
  'limit before',
];

/** Rows of text under `serverHeads`, the cheapest server first; those that held nothing last. */
export function serverCells(rows: readonly ServerRow[]): string[][] {
  const cost = ({ figures }: ServerRow) =>
    figures?.userBytes === null || figures?.userBytes === undefined ? Number.POSITIVE_INFINITY : figures.userBytes + (figures.kernelBytes ?? 0);
  return [...rows].sort((a, b) => cost(a) - cost(b)).map(cellsOf);
}

function cellsOf({ name, asked, runs, reached, problem, figures }: ServerRow): string[] {
  const of = asked === 'max' ? '' : ` of ${formatCount(asked)}`;
  const reason = problem?.split('. ')[0]!.replace(/\.$/, '');
  const why = reason === undefined ? '' : ` (${reached} of ${runs} runs reached it: ${reason})`;
  if (figures === undefined) return [name, `0${of}${why}`, '–', '–', '–', '–', '–', '–', '–'];
  const { held, kernelBytes, userBytes, startBytes, connectsPerSecond, cpuMicroseconds, memoryCeiling, limit } = figures;
  const bytes = (value: number | null) => (value === null ? '–' : `${formatCount(Math.round(value))} B`);
  const hasLimit = limit !== undefined && (memoryCeiling === null || limit.at < memoryCeiling);
  return [
    name,
    `${formatCount(held)}${held === asked ? '' : of}${why}`,
    bytes(kernelBytes),
    bytes(userBytes),
    startBytes === null ? '–' : formatBytes(startBytes),
    formatRate(connectsPerSecond),
    cpuMicroseconds === null ? '–' : `${formatCount(Math.round(cpuMicroseconds))} µs`,
    memoryCeiling === null ? '–' : formatCount(roundedDown(memoryCeiling)),
    hasLimit ? `${formatCount(limit.at)}: ${limit.title}` : 'none known',
  ];
}

/** Two digits: an estimate is no more exact than that. */
function roundedDown(count: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, count))) - 1);
  return Math.floor(count / unit) * unit;
}

/** What the columns mean, for the foot of the table. */
export const serverNotes: readonly string[] = [
  'Bytes are those of the server’s side for each connection: kernel objects (for a proxy also its sockets towards upstream servers), and what its processes grew by.',
  'CPU is of both sides. "Fits in memory" is for clients on other hosts, from the memory that is free now and the bytes above.',
];

/** As a document in Markdown. */
export function serverMarkdown(rows: readonly ServerRow[], where: string): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return `# Servers compared\n\n${where}\n\n${[line(serverHeads), line(serverHeads.map(() => '---')), ...serverCells(rows).map(line)].join('\n')}\n\n${serverNotes.join('\n')}\n`;
}
