let table: Readonly<Record<string, string>> = {};

/** The translations of the extension's bundle, keyed by the English text. Called once by each program that shows texts: the extension and its panels. */
export function useTexts(texts: Readonly<Record<string, string>>): void {
  table = texts;
}

/** The text in the user's language; `{0}`, `{1}` … are replaced, as `vscode.l10n.t` does it. */
export function text(english: string, ...values: (string | number)[]): string {
  return (table[english] ?? english).replace(/\{(\d+)\}/g, (_whole, index: string) => String(values[Number(index)] ?? ''));
}
