import { basename } from 'node:path';
import { comparisonRounds, serverCells, serverHeads, serverNotes, serverRow, type ServerRow, type ServerRun } from '../core/figures/serverComparison.js';
import { exitCodes, HumanError, type ExitCode } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import { judgeRun, verdictWord } from '../core/verdict.js';
import type { RunStore } from '../history/store.js';
import type { Sample } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import { Run } from '../run/run.js';
import { dependenciesOf, type TerminalDependencies } from './environment.js';
import { parseCommand, specFrom } from './options.js';
import { onOutputClosed, print, printError } from './output.js';
import { problemLines } from './problemLines.js';
import { followSignals } from './signals.js';
import { table } from './table.js';

/** More would take a day. */
const maximumRounds = 20;

interface Candidate {
  name: string;
  spec: RunSpec;
  runs: ServerRun[];
  /** It could not be run at all: it is not tried again. */
  refusal?: HumanError;
}

/** `c10m compare-servers`: runs the profiles in turn, round after round, and prints what each server costs. Returns the worst exit code. */
export async function compareServers(args: string[]): Promise<number> {
  const { values, given, positionals } = parseCommand('compare-servers', args);
  if (positionals.length < 2)
    throw new HumanError('c10m compare-servers takes two profiles or more.', { code: 'usage', remedy: 'Help: c10m compare-servers --help' });
  const rounds = roundsOf(values.rounds);
  // All are read before the first one runs.
  const candidates = positionals.map((path): Candidate => {
    const spec = specFrom(given, path);
    const name = spec.name ?? basename(path).replace(/\.c10m\.json$/, '');
    return { name, spec: { ...spec, name }, runs: [] };
  });
  const isQuiet = values.json === true;
  const dependencies = dependenciesOf(values, () => undefined);
  const progress = (text: string) => (isQuiet ? undefined : printError(`${text}\n`));
  let exitCode: ExitCode = exitCodes.done;
  try {
    for (let round = 1; round <= rounds && exitCode !== exitCodes.interrupted; round++) {
      for (const candidate of candidates.filter(({ refusal }) => refusal === undefined)) {
        const code = await runOnce(dependencies, candidate, (text) => progress(`round ${round} of ${rounds}, ${candidate.name}: ${text}`));
        if (exitCode === exitCodes.done || code === exitCodes.interrupted || code === exitCodes.notRestored) exitCode = code;
        if (code === exitCodes.interrupted || code === exitCodes.notRestored) break;
      }
      // A host that could not be restored is loaded no more.
      if (exitCode === exitCodes.notRestored) break;
    }
  } finally {
    await dependencies.pool.dispose();
  }
  const rows = candidates.map(({ name, spec, runs, refusal }) => withRefusal(serverRow(name, spec.connections, runs), refusal));
  print(isQuiet ? `${JSON.stringify(rows)}\n` : `${table([[...serverHeads], ...serverCells(rows)])}\n${serverNotes.join('\n')}\n`);
  return exitCode;
}

function withRefusal(row: ServerRow, refusal: HumanError | undefined): ServerRow {
  return refusal === undefined ? row : { ...row, problem: refusal.message };
}

function roundsOf(text: string | undefined): number {
  const rounds = text === undefined ? comparisonRounds : Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= maximumRounds) return rounds;
  throw new HumanError(`--rounds is "${text ?? ''}", but must be a number from 1 to ${maximumRounds}.`, { code: 'usage' });
}

async function runOnce(dependencies: TerminalDependencies, candidate: Candidate, say: (text: string) => void): Promise<ExitCode> {
  const run = new Run(dependencies, candidate.spec);
  let first: Sample | undefined;
  run.onEvent((event) => {
    if (event.type === 'sample') first ??= event;
  });
  const abort = new AbortController();
  const releaseSignals = followSignals(run, abort);
  onOutputClosed(() => abort.abort());
  try {
    const summary = await run.start(abort.signal);
    candidate.runs.push({ run: readBack(dependencies.store, run, candidate.spec), first });
    const judgement = judgeRun(summary, candidate.spec);
    const held = formatCount(Math.min(summary.established.server, summary.established.client));
    say([`${held} held, ${verdictWord(judgement.verdict)}`, ...problemLines(summary, candidate.spec)].join('; '));
    return judgement.exitCode;
  } catch (error) {
    if (!(error instanceof HumanError)) throw error;
    if (error.code === 'cancelled' && abort.signal.aborted) return exitCodes.interrupted;
    candidate.refusal = error;
    say(error.text);
    return error.exitCode;
  } finally {
    releaseSignals();
  }
}

/** As it was saved, or as far as it is known where it could not be. */
function readBack(store: RunStore, run: Run, spec: RunSpec): ServerRun['run'] {
  try {
    return store.read(run.id);
  } catch {
    const { facts, plan, summary } = run.model;
    return { spec, facts, plan, summary };
  }
}
