import { isSlowing } from '../../src/core/walls/catalogue.js';
import { isFinal } from '../../src/core/phases.js';
import { text } from '../../src/core/texts.js';
import { verdictWord } from '../../src/core/verdict.js';
import type { Phase } from '../../src/protocol/events.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { verdictOf } from './verdictView.js';

/** The figures of the first screen, derived from the run alone. All bytes per end, all times in seconds. */
export interface Figures {
  phase: Phase | undefined;
  running: boolean;
  target: number;
  server: number;
  client: number;
  /** 0–1. */
  progress: number;
  /** Connections per second that the host goes by; 0: as fast as possible. */
  askedRate: number;
  /** Connections per second: now while it runs, the mean of the ramp afterwards. */
  rate: number;
  bytesPerEnd: number | null;
  approximate: boolean;
  availableBytes: number | undefined;
  totalBytes: number | undefined;
  failed: number;
  lost: number;
  /** Until the end of the ramp or of the hold; undefined where nobody can know. */
  secondsLeft: { phase: 'ramping' | 'holding'; seconds: number } | undefined;
  nextWall: { title: string; at: number; remedy: string; evidence: string } | undefined;
}

/** What the run does, or how it ended as far as that was seen. */
export function phaseText(run: PanelRun): string {
  const phase = run.phases.at(-1)?.phase;
  const verdict = verdictOf(run);
  if (verdict !== undefined) return verdictWord(verdict);
  if (run.link !== 'saved') return phase ?? text('starting');
  return text('did not begin');
}

export function figuresOf(run: PanelRun): Figures {
  const { last, summary, plan, spec } = run;
  const phase = run.phases.at(-1)?.phase;
  const running = phase === undefined ? run.link !== 'saved' : !isFinal(phase) && run.link !== 'saved';
  const target = (running ? last?.target : (summary?.target ?? last?.target)) ?? plan?.connections ?? (spec.connections === 'max' ? 0 : spec.connections);
  // A run that is over is shown at its peak: its last sample was taken while it drained.
  const established = running || summary === undefined ? (last?.established ?? { server: 0, client: 0 }) : summary.established;
  const held = Math.min(established.server, established.client);
  return {
    phase,
    running,
    target,
    ...established,
    progress: target > 0 ? Math.min(1, held / target) : 0,
    askedRate: last?.aim?.rate ?? spec.stages[0]?.rate ?? spec.rate ?? 0,
    rate: running || summary === undefined ? (last?.connectRate ?? 0) : summary.connectRate.mean,
    bytesPerEnd: running || summary === undefined ? (last?.ledger.bytesPerEnd ?? null) : summary.bytesPerEnd,
    approximate: (summary?.ledger ?? last?.ledger)?.approximate ?? false,
    availableBytes: last?.memory.availableBytes,
    totalBytes: last?.memory.totalBytes,
    failed: summary?.failed.total ?? last?.failed.total ?? 0,
    lost: summary?.lost ?? last?.lost ?? 0,
    secondsLeft: running ? secondsLeft(run, phase, target, held) : undefined,
    nextWall: nextWall(run, held),
  };
}

function secondsLeft(run: PanelRun, phase: Phase | undefined, target: number, held: number): Figures['secondsLeft'] {
  const { last } = run;
  if (last === undefined) return undefined;
  if (phase === 'ramping' && last.connectRate > 0 && target > held) return { phase, seconds: (target - held) / last.connectRate };
  // The host says it: what was left before an order is held after it, and no clock here knows how long that is.
  const holdLeft = last.aim?.holdLeftSeconds;
  if (phase === 'holding' && typeof holdLeft === 'number') return { phase, seconds: holdLeft };
  return undefined;
}

/** The lowest planned wall that was not passed yet and will end a ramp: those that only slow it are in the list of walls. */
function nextWall(run: PanelRun, held: number): Figures['nextWall'] {
  for (const wall of run.plan?.walls ?? []) {
    if (isSlowing(wall.id)) continue;
    const at = run.plan?.connections !== undefined && run.spec.tuning === 'none' ? wall.at : wall.atAfterTuning;
    if (at !== null && at > held) return { title: wall.title, at, remedy: wall.remedy, evidence: wall.evidence };
  }
  return undefined;
}
