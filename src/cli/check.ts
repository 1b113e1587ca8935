import { exitCodes } from '../core/errors.js';
import { endName, protocolTitle } from '../core/figures/resultTexts.js';
import { formatBytes, formatCount, formatCountOf, formatKilobytesPerEnd } from '../core/units.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import { Run } from '../run/run.js';
import { dependenciesOf } from './environment.js';
import { parseCommand, specFrom } from './options.js';
import { table } from './table.js';
import { print } from './output.js';

/** `c10m check`: facts, plan and walls; changes nothing on the host. */
export async function check(args: string[]): Promise<number> {
  const { values, given, positionals } = parseCommand('check', args);
  const spec = specFrom(given, positionals[0]);
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const dependencies = dependenciesOf(values);
  const { facts, plan } = await new Run(dependencies, spec).plan(abort.signal).finally(() => dependencies.pool.dispose());
  print(values.json === true ? `${JSON.stringify({ facts, plan })}\n` : `${factsText(facts)}\n${planText(plan)}`);
  const reached = plan.requested === 'max' || plan.connections >= plan.requested;
  return reached ? exitCodes.done : exitCodes.targetNotReached;
}

export function factsText(facts: HostFacts): string {
  return table([
    ['host', `${facts.hostname}, ${facts.distribution}, kernel ${facts.kernel}, ${facts.architecture}`],
    ['cores, memory', `${facts.cores} cores, ${formatBytes(facts.memory.availableBytes)} of ${formatBytes(facts.memory.totalBytes)} available`],
    [
      'open files',
      `${formatCount(facts.nofile.hard)} a process${facts.nofile.raisable > facts.nofile.hard ? `, can be raised to ${formatCount(facts.nofile.raisable)}` : ''}`,
    ],
    ['rights', `${facts.user.name}, ${facts.privilege === 'none' ? 'no privileges' : facts.privilege}`],
    [
      'isolation',
      facts.namespace.kind === 'none'
        ? `none: ${facts.namespace.reason ?? ''}`
        : `own network namespace${facts.namespace.kind === 'userns' ? ' through a user namespace' : ''}`,
    ],
    ['Node', facts.nodeVersion],
  ]);
}

export function planText(plan: Plan): string {
  const servers = plan.serverWorkers.length;
  const ports = plan.serverWorkers.reduce((sum, worker) => sum + worker.ports.length, 0);
  const rows = [
    ['plan', `${formatCountOf(plan.connections, `${protocolTitle(plan.protocol)} connection`)}${aim(plan)}`],
    ['workers', `${servers} server, ${plan.clientWorkers.length} client, ${formatCountOf(ports, 'port')}`],
    ['memory', `${formatBytes(plan.predicted.totalBytes)} predicted, ${formatKilobytesPerEnd(plan.predicted.bytesPerEnd)} per ${endName(plan)}`],
    ['fits', `${formatCount(plan.largestFit.beforeTuning)} before, ${formatCount(plan.largestFit.afterTuning)} after tuning`],
  ];
  const walls = plan.walls.map((wall) => [wall.title, wallCount(wall.at), wallCount(wall.atAfterTuning), wall.evidence]);
  const sysctls = plan.sysctls.map((key) => [
    key.key,
    key.current.replaceAll('\t', ' '),
    '→',
    key.target,
    `(${key.scope === 'netns' ? "the run's namespace" : 'the whole machine, restored afterwards'})`,
  ]);
  return [
    table(rows),
    table([['wall', 'stands at', 'after tuning', 'because'], ...walls]),
    ...(sysctls.length === 0 ? [] : [table(sysctls)]),
    ...plan.notes.map((note) => `note: ${note}\n`),
  ].join('\n');
}

/** What the number of connections is beside what was asked for. */
function aim({ requested, connections }: Plan): string {
  // The ceiling is looked for a tenth above where it is predicted.
  if (requested === 'max') return ' at most: the run goes on until the first wall';
  return requested === connections ? '' : ` of ${formatCount(requested)} asked for`;
}

function wallCount(count: number | null): string {
  return count === null ? 'moved away' : formatCount(count);
}
