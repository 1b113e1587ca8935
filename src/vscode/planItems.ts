import { firstWall } from '../core/plan/plannedWalls.js';
import { text } from '../core/texts.js';
import { formatBytes, formatCount } from '../core/units.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';

/** A plan in the words a person decides on. Pure, so that its wording is tested without VS Code. */
export interface PlanLine {
  label: string;
  detail: string;
}

export function planLines(plan: Plan, facts: HostFacts): PlanLine[] {
  const wall = firstWall(plan);
  const globals = plan.sysctls.filter((sysctl) => sysctl.scope === 'global');
  const isolation = {
    netns: text('in its own network namespace, which vanishes with the run'),
    userns: text('in its own network namespace, through a user namespace'),
    host: text("in the host's own network namespace"),
  }[plan.isolation];
  return [
    {
      label: text('{0} connections', formatCount(plan.connections)),
      detail:
        plan.requested !== 'max' && plan.connections < plan.requested
          ? text('less than the {0} asked for: {1} allows no more', formatCount(plan.requested), wall?.title ?? text('a limit'))
          : text('{0} server and {1} client workers, {2}', plan.serverWorkers.length, plan.clientWorkers.length, isolation),
    },
    {
      label: text('{0} of memory predicted', formatBytes(plan.predicted.totalBytes)),
      detail: text(
        '{0} kB per end; {1} available, the run stops by itself below {2}',
        (plan.predicted.bytesPerEnd / 1000).toFixed(2),
        formatBytes(facts.memory.availableBytes),
        formatBytes(plan.guardBytes),
      ),
    },
    ...(wall === undefined ? [] : [{ label: text('First wall: {0} at {1}', wall.title, formatCount(wall.atAfterTuning ?? 0)), detail: wall.evidence }]),
    {
      label: globals.length === 0 ? text('Nothing changes on the whole host') : text('{0} settings of the whole host change and are restored', globals.length),
      detail:
        globals.length === 0
          ? text('kernel settings are set inside the namespace only')
          : globals.map((key) => `${key.key} ${key.current} → ${key.target}`).join(', '),
    },
    ...plan.notes.map((note) => ({ label: note, detail: '' })),
  ];
}

/** What the user's own server is started with; none for our engines. */
export function commandLines(spec: RunSpec): PlanLine[] {
  if (spec.engine !== 'command' || spec.command === undefined) return [];
  return [{ label: text('Starts: {0}', spec.command), detail: text('by sh -c, in {0} of the host', spec.workingDirectory ?? text('the home directory')) }];
}

/** Every global key with its old and new value, for the question before anything changes on a host; undefined: nothing global changes. */
export function globalChanges(plan: Plan): string | undefined {
  const globals = plan.sysctls.filter((sysctl) => sysctl.scope === 'global');
  if (globals.length === 0) return undefined;
  return globals
    .map((sysctl) => `${sysctl.key}\n    ${sysctl.current} → ${sysctl.target}${sysctl.danger === undefined ? '' : `\n    ${sysctl.danger}`}`)
    .join('\n');
}

/** What a test of a host found, in one line each. */
export function hostLines(facts: HostFacts, plan: Plan): string[] {
  return [
    `${facts.distribution}, Linux ${facts.kernel} ${facts.architecture}`,
    text('{0} cores, {1} of memory, {2} available', facts.cores, formatBytes(facts.memory.totalBytes), formatBytes(facts.memory.availableBytes)),
    text(
      'File descriptors: {0} soft, {1} hard, {2} when raised',
      formatCount(facts.nofile.soft),
      formatCount(facts.nofile.hard),
      formatCount(facts.nofile.raisable),
    ),
    text('Node {0}, rights: {1}', facts.nodeVersion, facts.privilege),
    `${text('Isolation: {0}', facts.namespace.kind)}${facts.namespace.reason === undefined ? '' : ` (${facts.namespace.reason})`}`,
    text('Largest run that fits: {0} connections ({1} before tuning)', formatCount(plan.largestFit.afterTuning), formatCount(plan.largestFit.beforeTuning)),
  ];
}
