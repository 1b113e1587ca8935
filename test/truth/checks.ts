import type { ObservedRun, RunOptions } from './observedRun.js';

/** One figure beside the same thing measured by other means. */
export interface Check {
  /** What the product calls it, such as `established.client`. */
  figure: string;
  /** Where the other value is from. */
  source: string;
  reported: number | null | undefined;
  independent: number | null | undefined;
  /** Largest difference allowed, in percent of the independent value; 0: equal. */
  boundPercent: number;
}

/** A run and the figures it proves. */
export interface TruthCase {
  name: string;
  /** Part of `npm test`, too: only runs of seconds with few connections. */
  quick: boolean;
  args: readonly string[];
  /** Words before the command, such as a shell that enters a control group. */
  through?: readonly string[];
  /** Orders, one a line, with `--orders` among the arguments. */
  input?: string;
  /** Disturbs the run from outside: stops a server, opens foreign sockets. */
  onReading?: RunOptions['onReading'];
  /** Held open beside the run; returns what ends it. */
  beside?: () => Promise<() => void>;
  checks: (run: ObservedRun) => Check[];
}

/** Signed difference in percent of the independent value; undefined where one of them is missing. */
export function differencePercent({ reported, independent }: Check): number | undefined {
  if (typeof reported !== 'number' || typeof independent !== 'number' || !Number.isFinite(reported) || !Number.isFinite(independent)) return undefined;
  if (reported === independent) return 0;
  return independent === 0 ? Number.POSITIVE_INFINITY : ((reported - independent) / Math.abs(independent)) * 100;
}

export function holds(check: Check): boolean {
  const difference = differencePercent(check);
  return difference !== undefined && Math.abs(difference) <= check.boundPercent;
}

const shown = (value: number | null | undefined) =>
  typeof value !== 'number' ? '–' : Number.isInteger(value) ? value.toLocaleString('en') : value.toLocaleString('en', { maximumSignificantDigits: 6 });

/** The lines of the table for one case. */
export function tableLines(name: string, checks: readonly Check[]): string[][] {
  return checks.map((check) => {
    const difference = differencePercent(check);
    return [
      name,
      check.figure,
      shown(check.reported),
      shown(check.independent),
      difference === undefined ? 'missing' : `${difference > 0 ? '+' : ''}${difference.toFixed(2)} %`,
      check.boundPercent === 0 ? 'equal' : `±${check.boundPercent} %`,
      holds(check) ? 'holds' : 'FAILS',
      check.source,
    ];
  });
}

export const tableHead = ['run', 'figure', 'reported', 'independent', 'difference', 'bound', '', 'checked against'];

export function tableText(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
