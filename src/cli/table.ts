import { plainLine } from '../core/foreignText.js';

/** Rows in columns, two spaces apart, each line ended. No spaces follow the last cell. */
export function table(foreign: readonly (readonly string[])[]): string {
  const rows = foreign.map((row) => row.map(plainLine));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_value, column) => Math.max(0, ...rows.map((row) => (column < row.length - 1 ? row[column]!.length : 0))));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column]!) : cell))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
