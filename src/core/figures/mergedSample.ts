import type { Ledger, Sample } from '../../protocol/events.js';
import { mergeForeign } from './foreignEvidence.js';
import { latencyOf } from './latency.js';
import { mergedHistogram } from './mergedHistogram.js';

type Counts = NonNullable<Sample['byProtocol']['tcp']>;

/** The latest sample of each host of one run. */
export interface HostSamples {
  server: { name: string; sample: Sample };
  clients: readonly { name: string; sample: Sample }[];
}

/**
 * One sample of a run over several hosts. The server's ends are counted on the server host, the clients' ends on theirs; memory left, limits
 * and kernel counters are those of the server host, which is what is measured; failures and rates are sums over the clients.
 */
export function mergeSamples({ server, clients }: HostSamples): Omit<Sample, 'seq' | 't' | 'phase' | 'target'> {
  const all = [server, ...clients];
  const samples = clients.map((client) => client.sample);
  const client = sum(samples, (sample) => sample.established.client);
  const established = { server: server.sample.established.server, client };
  const byProtocol: Sample['byProtocol'] = {};
  for (const protocol of ['tcp', 'websocket'] as const) {
    const counts = mergeCounts(
      server.sample.byProtocol[protocol],
      samples.flatMap((sample) => sample.byProtocol[protocol] ?? []),
    );
    if (counts !== undefined) byProtocol[protocol] = counts;
  }
  const latency = mergeLatencies(samples.flatMap((sample) => sample.latency ?? []));
  const ramps = samples.flatMap((sample) => sample.ramp ?? []);
  const evidence = mergeEvidence(server.sample, samples);
  const aims = samples.flatMap((sample) => sample.aim ?? []);
  const stale = all.flatMap(({ name, sample }) => (sample.staleWorkers ?? []).map((id) => `${name}/${id}`));
  return {
    type: 'sample',
    established,
    byProtocol,
    connecting: sum(samples, (sample) => sample.connecting),
    failed: { total: sum(samples, (sample) => sample.failed.total), byErrno: addRecords(samples.map((sample) => sample.failed.byErrno)) },
    lost: sum(samples, (sample) => sample.lost),
    connectRate: sum(samples, (sample) => sample.connectRate),
    ledger: mergeLedgers(
      all.map(({ name, sample }) => ({ name, ledger: sample.ledger, ends: sample.established.server + sample.established.client })),
      established.server + established.client,
    ),
    memory: server.sample.memory,
    cpu: {
      ...server.sample.cpu,
      client: sum(samples, (sample) => sample.cpu.client),
      supervisor: sum(all, ({ sample }) => sample.cpu.supervisor),
      cores: sum(all, ({ sample }) => sample.cpu.cores),
      host: sum(all, ({ sample }) => sample.cpu.host),
    },
    sockstat: server.sample.sockstat,
    netstat: server.sample.netstat,
    limits: server.sample.limits,
    ...(ramps.length === 0 ? {} : { ramp: mergeRamps(ramps) }),
    ...(aims.length === 0 ? {} : { aim: mergeAims(aims) }),
    ...(stale.length === 0 ? {} : { staleWorkers: stale }),
    ...(latency === undefined ? {} : { latency }),
    ...(evidence === undefined ? {} : { evidence }),
    hosts: Object.fromEntries(all.map(({ name, sample }) => [name, { ...sample.established, availableBytes: sample.memory.availableBytes }])),
  };
}

/** The server host knows the server, the clients' hosts heard what it said; each host names the walls of its own workers. */
function mergeEvidence(server: Sample, clients: readonly Sample[]): Sample['evidence'] {
  const foreign = mergeForeign([server, ...clients].flatMap((sample) => sample.evidence?.foreign ?? []));
  if (server.evidence === undefined && foreign === undefined) return undefined;
  return { blocked: [], rate: 0, ...server.evidence, ...(foreign === undefined ? {} : { foreign }) };
}

function mergeLatencies(latencies: readonly NonNullable<Sample['latency']>[]): Sample['latency'] {
  const merged = mergedHistogram(latencies.flatMap(({ histogram }) => histogram ?? []));
  const unanswered = sum(latencies, (latency) => latency.unanswered ?? 0);
  return merged === undefined ? undefined : latencyOf(merged, unanswered);
}

/** Hosts ramp at the same time: the longest is that of all. */
function mergeRamps(ramps: readonly NonNullable<Sample['ramp']>[]): NonNullable<Sample['ramp']> {
  return { seconds: Math.max(...ramps.map(({ seconds }) => seconds)), opened: sum(ramps, ({ opened }) => opened), cpuMicroseconds: null };
}

/** The rate is shared over the hosts; the run holds until the last of them has. */
function mergeAims(aims: readonly NonNullable<Sample['aim']>[]): NonNullable<Sample['aim']> {
  const left = aims.flatMap(({ holdLeftSeconds }) => holdLeftSeconds ?? []);
  return { rate: sum(aims, ({ rate }) => rate), holdLeftSeconds: left.length === 0 ? null : Math.max(...left) };
}

function mergeMessages(parts: readonly NonNullable<Counts['messages']>[]): Pick<Counts, 'messages'> {
  if (parts.length === 0) return {};
  const planned = sum(parts, (part) => part.planned);
  return { messages: { planned, unanswered: sum(parts, (part) => part.unanswered), lost: sum(parts, (part) => part.lost) } };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function addRecords(records: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records) for (const [key, value] of Object.entries(record)) total[key] = (total[key] ?? 0) + value;
  return total;
}

function mergeCounts(server: Counts | undefined, clients: readonly Counts[]): Counts | undefined {
  if (server === undefined && clients.length === 0) return undefined;
  return {
    server: server?.server ?? 0,
    client: sum(clients, (counts) => counts.client),
    messagesPerSecond: sum(clients, (counts) => counts.messagesPerSecond),
    bytesPerSecond: sum(clients, (counts) => counts.bytesPerSecond),
    messagesTotal: sum(clients, (counts) => counts.messagesTotal),
    bytesTotal: sum(clients, (counts) => counts.bytesTotal),
    ...mergeMessages(clients.flatMap((counts) => counts.messages ?? [])),
    processBytes: {
      server: server?.processBytes?.server ?? null,
      client: clients.every((counts) => typeof counts.processBytes?.client === 'number') ? sum(clients, (counts) => counts.processBytes?.client ?? 0) : null,
    },
  };
}

function mergeLedgers(parts: readonly { name: string; ledger: Ledger; ends: number }[], ends: number): Ledger {
  const ledgers = parts.map((part) => part.ledger);
  const explainedBytes = sum(ledgers, (ledger) => ledger.explainedBytes);
  // A host with ends that does not know its bytes leaves the sum unknown.
  const isKnown = ends > 0 && parts.every(({ ends: own, ledger }) => own === 0 || ledger.bytesPerEnd !== null);
  const ratios = ledgers.flatMap((ledger) => ledger.explainedRatio ?? []);
  return {
    entries: addRecords(ledgers.map((ledger) => ledger.entries)),
    explainedBytes,
    growthBytes: sum(ledgers, (ledger) => ledger.growthBytes),
    explainedRatio: ratios.length === 0 ? null : Math.min(...ratios),
    reusedSlotBytes: sum(ledgers, (ledger) => ledger.reusedSlotBytes ?? 0),
    bytesPerEnd: isKnown ? explainedBytes / ends : null,
    bytesPerPair: isKnown ? (explainedBytes / ends) * 2 : null,
    memAvailableFallBytes: sum(ledgers, (ledger) => ledger.memAvailableFallBytes),
    approximate: ledgers.some((ledger) => ledger.approximate),
    contamination: parts.flatMap(({ name, ledger }) => ledger.contamination.map((text) => `${name}: ${text}`)),
  };
}
