import type { Summary } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import { type ExitCode, exitCodes } from './errors.js';
import { text } from './texts.js';

/** How a run ended, as a reader wants to know it. Worst for the host first: that is also the order in which they are judged. */
export const runVerdicts = ['incomplete', 'hostNotRestored', 'stopped', 'failed', 'targetNotReached', 'thresholdFailed', 'passed'] as const;
export type RunVerdict = (typeof runVerdicts)[number];

/** `error`: the run or the host needs somebody; `warning`: the run is sound, its result is not what was asked for; `neutral`: a person ended it. */
export type VerdictSeverity = 'success' | 'warning' | 'error' | 'neutral';

interface VerdictLook {
  exitCode: ExitCode;
  severity: VerdictSeverity;
  /** A codicon of its own: verdicts are told apart without their colours. */
  icon: string;
}

/**
 * Exit code and look of each verdict. `incomplete` shares the code of a host that is not restored: nobody saw whether it was, so
 * a script has to look.
 */
export const verdictLooks: Readonly<Record<RunVerdict, VerdictLook>> = {
  incomplete: { exitCode: exitCodes.notRestored, severity: 'error', icon: 'question' },
  hostNotRestored: { exitCode: exitCodes.notRestored, severity: 'error', icon: 'tools' },
  stopped: { exitCode: exitCodes.interrupted, severity: 'neutral', icon: 'debug-stop' },
  failed: { exitCode: exitCodes.internal, severity: 'error', icon: 'circle-slash' },
  targetNotReached: { exitCode: exitCodes.targetNotReached, severity: 'warning', icon: 'warning' },
  thresholdFailed: { exitCode: exitCodes.thresholdFailed, severity: 'error', icon: 'error' },
  passed: { exitCode: exitCodes.done, severity: 'success', icon: 'pass' },
};

/** The verdict in words, in the reader's language. */
export function verdictWord(verdict: RunVerdict): string {
  switch (verdict) {
    case 'incomplete':
      return text('incomplete');
    case 'hostNotRestored':
      return text('host not restored');
    case 'stopped':
      return text('stopped');
    case 'failed':
      return text('failed');
    case 'targetNotReached':
      return text('target not reached');
    case 'thresholdFailed':
      return text('threshold failed');
    case 'passed':
      return text('passed');
  }
}

export interface Judgement {
  verdict: RunVerdict;
  exitCode: ExitCode;
}

/** What is judged: never a verdict or an exit code that somebody else computed, only the parts they would follow from. */
export type JudgedParts = Pick<Summary, 'verdict' | 'target' | 'established' | 'walls' | 'hostRestored' | 'keys' | 'thresholds' | 'endSeen' | 'endedBy'>;

/**
 * The one judgement of a run, for exit code, tree, badge, reports and JUnit. `summary` undefined: its end was not seen. A failed run that
 * a named wall kept from its target is `targetNotReached`: the wall is the result.
 */
export function judgeRun(summary: JudgedParts | undefined, spec: Pick<RunSpec, 'connections' | 'stages'>): Judgement {
  const verdict = verdictOf(summary, spec);
  return { verdict, exitCode: verdictLooks[verdict].exitCode };
}

function verdictOf(summary: JudgedParts | undefined, spec: Pick<RunSpec, 'connections' | 'stages'>): RunVerdict {
  if (summary === undefined || !summary.endSeen) return 'incomplete';
  if (!summary.hostRestored || summary.keys.some(({ outcome }) => outcome === 'refused')) return 'hostNotRestored';
  if (summary.verdict === 'stopped') return 'stopped';
  const isThresholdFailed = summary.thresholds.some(({ passed }) => !passed);
  const isReached = isTargetReached(summary, spec);
  if (summary.verdict === 'failed') {
    if (summary.endedBy === 'threshold' && isThresholdFailed) return 'thresholdFailed';
    return !isReached && summary.walls.length > 0 ? 'targetNotReached' : 'failed';
  }
  if (!isReached) return 'targetNotReached';
  return isThresholdFailed ? 'thresholdFailed' : 'passed';
}

/** Whether both sides held as many connections at once as was asked for. */
export function isTargetReached({ established, target }: Pick<Summary, 'established' | 'target'>, spec: Pick<RunSpec, 'connections' | 'stages'>): boolean {
  return Math.min(established.server, established.client) >= requiredConnections(target, spec);
}

/** What both sides must hold at once. An order may raise the target above the spec's, nothing lowers it; with `max` any count will do. */
function requiredConnections(target: number, { connections, stages }: Pick<RunSpec, 'connections' | 'stages'>): number {
  if (stages.length > 0) return Math.max(...stages.map(({ to }) => to));
  return connections === 'max' ? 0 : Math.max(connections, target);
}
