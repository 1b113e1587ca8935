import type { Bar, EngineRow, Spread } from './statistics.js';

const whole = (figure: number) => Math.round(figure).toLocaleString('en-US');
const ratio = (figure: number) => figure.toFixed(2);
const spread = ({ minimum, median, maximum }: Spread, format: (figure: number) => string) => `${format(minimum)} / ${format(median)} / ${format(maximum)}`;

/** The table as text, columns aligned; each figure is min / median / max. */
export function tableText(rows: readonly EngineRow[]): string {
  const head = ['engine', 'protocol', 'connections/s', 'of the floor', 'bytes/pair', 'of the floor', 'server user B/end', 'client user B/end'];
  const lines = rows.map((row) => [
    row.engine,
    row.protocol,
    spread(row.connectionsPerSecond, whole),
    spread(row.rateRatio, ratio),
    spread(row.bytesPerPair, whole),
    spread(row.bytesRatio, ratio),
    spread(row.serverUserBytesPerEnd, whole),
    spread(row.clientUserBytesPerEnd, whole),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function barsText(bars: readonly Bar[]): string {
  return bars.map(({ text, value, isMet }) => `${isMet ? 'met   ' : 'MISSED'}  ${text}: ${value.toFixed(2)}`).join('\n');
}
