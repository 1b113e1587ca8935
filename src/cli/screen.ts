const escape = '\u001b[';

/** Lines cut to the width, and no more of them than the terminal has: what has scrolled away cannot be redrawn. The first and the last (keys, order) stay. */
export function fitted(lines: readonly string[], { columns, rows }: { columns: number; rows: number }): string[] {
  const most = Math.max(2, rows - 1);
  const kept = lines.length > most ? [...lines.slice(0, most - 1), ...lines.slice(-1)] : lines;
  const width = Math.max(2, columns);
  return kept.map((line) => (line.length > width - 1 ? `${line.slice(0, width - 2)}…` : line));
}

/** What replaces the lines drawn before by others. A terminal that became narrower has wrapped the former ones: they take more rows now. */
export function redrawn(before: readonly string[], lines: readonly string[], columns: number): string {
  const up = before.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / Math.max(2, columns))), 0);
  return `${up > 0 ? `${escape}${up}A` : ''}${lines.map((line) => `\r${escape}2K${line}\n`).join('')}${escape}0J`;
}

/** A sentence in lines of at most `width` characters, broken between words; further lines are set in by two more. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of text.split(/\s+/)) {
    if (line.trim() !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/** True where the cursor can be moved: TERM is `dumb` in editors' shells and in some build logs. */
export function canRedraw(isTerminal: boolean, term: string | undefined): boolean {
  return isTerminal && term !== 'dumb';
}
