let table: Readonly<Record<string, string>> = {};
let language = 'en';

/** The translations of the extension's bundle, keyed by the English text. Called once by each program that shows texts: the extension and its panels. */
export function useTexts(texts: Readonly<Record<string, string>>, textsLanguage = 'en'): void {
  table = texts;
  language = textsLanguage;
}

/** The language of the texts, as an IETF tag. */
export function textLanguage(): string {
  return language;
}

/** The text in the user's language; `{0}`, `{1}` … are replaced, as `vscode.l10n.t` does it. */
export function text(english: string, ...values: (string | number)[]): string {
  return (table[english] ?? english).replace(/\{(\d+)\}/g, (_whole, index: string) => String(values[Number(index)] ?? ''));
}
