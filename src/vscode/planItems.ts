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
  const firstWall = plan.walls.find((wall) => wall.atAfterTuning !== null);
  const globals = plan.sysctls.filter((sysctl) => sysctl.scope === 'global');
  const isolation = {
    netns: 'in its own network namespace, which vanishes with the run',
    userns: 'in its own network namespace, through a user namespace',
    host: "in the host's own network namespace",
  }[plan.isolation];
  return [
    {
      label: `${formatCount(plan.connections)} connections`,
      detail:
        plan.requested !== 'max' && plan.connections < plan.requested
          ? `less than the ${formatCount(plan.requested)} asked for: ${firstWall?.title ?? 'a limit'} allows no more`
          : `${plan.serverWorkers.length} server and ${plan.clientWorkers.length} client workers, ${isolation}`,
    },
    {
      label: `${formatBytes(plan.predicted.totalBytes)} of memory predicted`,
      detail: `${(plan.predicted.bytesPerEnd / 1000).toFixed(2)} kB per end; ${formatBytes(facts.memory.availableBytes)} available, the run stops by itself below ${formatBytes(plan.guardBytes)}`,
    },
    ...(firstWall === undefined
      ? []
      : [{ label: `First wall: ${firstWall.title} at ${formatCount(firstWall.atAfterTuning ?? 0)}`, detail: firstWall.evidence }]),
    {
      label: globals.length === 0 ? 'Nothing changes on the whole host' : `${globals.length} settings of the whole host change and are put back`,
      detail:
        globals.length === 0
          ? 'kernel settings are set inside the namespace only'
          : globals.map((key) => `${key.key} ${key.current} → ${key.target}`).join(', '),
    },
    ...plan.notes.map((note) => ({ label: note, detail: '' })),
  ];
}

/** What the user's own server is started with; none for our engines. */
export function commandLines(spec: RunSpec): PlanLine[] {
  if (spec.engine !== 'command' || spec.command === undefined) return [];
  return [{ label: `Starts: ${spec.command}`, detail: `by sh -c, in ${spec.workingDirectory ?? 'the home directory'} of the host` }];
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
    `${facts.cores} cores, ${formatBytes(facts.memory.totalBytes)} of memory, ${formatBytes(facts.memory.availableBytes)} available`,
    `File descriptors: ${formatCount(facts.nofile.soft)} soft, ${formatCount(facts.nofile.hard)} hard, ${formatCount(facts.nofile.raisable)} when raised`,
    `Node ${facts.nodeVersion}, rights: ${facts.privilege}`,
    `Isolation: ${facts.namespace.kind}${facts.namespace.reason === undefined ? '' : ` (${facts.namespace.reason})`}`,
    `Largest run that fits: ${formatCount(plan.largestFit.afterTuning)} connections (${formatCount(plan.largestFit.beforeTuning)} before tuning)`,
  ];
}
