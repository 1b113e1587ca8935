import { guardBytesFor } from '../core/plan/costs.js';
import { firstWall } from '../core/plan/plannedWalls.js';
import { text } from '../core/texts.js';
import { protocolTitle } from '../core/figures/resultTexts.js';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd } from '../core/units.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';

/** A plan in the words a person decides on. Pure, so that its wording is tested without VS Code. */
export interface PlanLine {
  label: string;
  detail: string;
}

/** What will run where, what it takes and leaves, what stops it first, what changes: in this order, each line a sentence of its own. */
export function planLines(plan: Plan, facts: HostFacts, spec: RunSpec): PlanLine[] {
  const wall = firstWall(plan);
  return [
    { label: whatText(plan), detail: `${whereText(facts, spec)}. ${workersText(plan)}` },
    memoryLine(plan, facts),
    ...(wall === undefined
      ? [{ label: text('No wall is known that would stop it'), detail: '' }]
      : [{ label: text('First wall: {0} at {1} connections', wall.title, formatCount(wall.atAfterTuning ?? 0)), detail: wall.evidence }]),
    changesLine(plan),
    ...plan.notes.map((note) => ({ label: note, detail: '' })),
  ];
}

function whatText(plan: Plan): string {
  const what = text('{0} {1} connections', formatCount(plan.connections), protocolTitle(plan.protocol));
  const wall = firstWall(plan);
  if (plan.requested === 'max' || plan.connections >= plan.requested) return what;
  return text('{0}, fewer than the {1} asked for: {2} allows no more', what, formatCount(plan.requested), wall?.title ?? text('a limit'));
}

function whereText(facts: HostFacts, spec: RunSpec): string {
  const place = spec.host === 'local' ? text('On this machine, {0}', facts.hostname) : text('On {0} ({1})', spec.host, facts.hostname);
  const server =
    spec.engine === 'command'
      ? text('against your own server')
      : spec.engine === 'attach'
        ? text('against a server that runs already')
        : text('against the server "{0}"', spec.engine);
  const client = spec.client === 'stateless' ? text('from a client without sockets') : undefined;
  const rate = spec.rate === undefined ? text('as fast as possible') : text('at {0} per second', formatCount(spec.rate));
  const tls = spec.tls === undefined ? undefined : text('with TLS');
  return [place, server, client, tls, rate, text('then held for {0}', formatDuration(spec.holdSeconds))].filter((part) => part !== undefined).join(', ');
}

function workersText(plan: Plan): string {
  const isolation = {
    netns: text('in its own network namespace, which vanishes with the run'),
    userns: text('in its own network namespace, through a user namespace'),
    host: text("in the host's own network namespace"),
  }[plan.isolation];
  return text('{0} server and {1} client workers, {2}', formatCount(plan.serverWorkers.length), formatCount(plan.clientWorkers.length), isolation);
}

/** What it takes, what that leaves, and how much is kept free for the host: one sum, so that no two figures contradict each other. */
function memoryLine({ predicted, guardBytes }: Plan, facts: HostFacts): PlanLine {
  const available = facts.memory.availableBytes;
  const left = Math.max(0, available - predicted.totalBytes);
  const perEnd = formatKilobytesPerEnd(predicted.bytesPerEnd);
  const label = text('{0} of memory predicted, {1} per end', formatBytes(predicted.totalBytes), perEnd);
  const sum = text('{0} are available now, so {1} stay free', formatBytes(available), formatBytes(left));
  const kept = guardBytesFor(facts.memory.totalBytes);
  const guard =
    left < kept
      ? text('That is less than the {0} that stay free for the host: the ramp will stop by itself before its target', formatBytes(kept))
      : text('The ramp stops by itself before less than {0} stay free, so that the host stays usable', formatBytes(kept));
  // Two figures of one limit must not stand unexplained: Linux counts what idle sockets pin as available.
  const pinned = guardBytes - kept;
  const meter =
    pinned < 1024 ** 2
      ? ''
      : ` ${text('(Linux will then show {0} as available: it counts {1} that the sockets pin.)', formatBytes(guardBytes), formatBytes(pinned))}`;
  return { label, detail: `${sum}. ${guard}.${meter}` };
}

function changesLine(plan: Plan): PlanLine {
  const globals = plan.sysctls.filter((sysctl) => sysctl.scope === 'global');
  if (globals.length === 0) return { label: text('Nothing changes on the whole host'), detail: text('kernel settings are set inside the namespace only') };
  const label =
    globals.length === 1
      ? text('1 setting of the whole host changes and is put back')
      : text('{0} settings of the whole host change and are put back', globals.length);
  return { label, detail: globals.map((key) => `${key.key} ${key.current} → ${key.target}`).join(', ') };
}

/** As many characters as a row of a quick pick shows: what is longer goes on in the next row. */
const rowCharacters = 74;

/** A line of the plan as rows none of which is cut. */
export function planRows({ label, detail }: PlanLine): string[] {
  return [...wrapped(label, rowCharacters), ...wrapped(detail, rowCharacters - 4).map((row) => `    ${row}`)];
}

function wrapped(sentence: string, width: number): string[] {
  const rows: string[] = [];
  for (const word of sentence.split(' ').filter((one) => one !== '')) {
    const last = rows.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) rows.push(word);
    else rows[rows.length - 1] = `${last} ${word}`;
  }
  return rows;
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
