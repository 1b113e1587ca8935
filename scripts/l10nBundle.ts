import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { fieldTable } from '../src/core/specInput.js';

/** Where texts are shown: the extension, and its panels, which get their translations from it. */
const shownIn = ['src/vscode', 'media/dashboard'];
/** Shared with the terminal, which stays English: what is looked up here belongs to the bundle, what is not need not. */
const lookedUpIn = ['src/core'];

export interface ShownTexts {
  /** English texts that are looked up in the bundle, sorted. */
  translated: string[];
  /** What looks like words for a reader but is looked up nowhere: `file:line: text`. */
  untranslated: string[];
}

/** All texts that `l10n.t('…')` or `text('…')` look up, those of the start dialog in the list of spec fields, and what nobody looks up. */
export function shownTexts(root: string): ShownTexts {
  const translated = new Set<string>();
  const untranslated: string[] = [];
  for (const { inDialog, title, description, choices } of Object.values(fieldTable)) {
    if (inDialog === true) for (const words of [title, description, ...Object.values(choices ?? {})]) translated.add(words);
  }
  for (const folder of [...shownIn, ...lookedUpIn]) {
    for (const name of readdirSync(join(root, folder), { recursive: true }).map(String).sort()) {
      if (!name.endsWith('.ts') || name.endsWith('.d.ts')) continue;
      const path = `${folder}/${name}`;
      const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2022, true);
      const report = (node: ts.Node, words: string): void => {
        if (shownIn.includes(folder)) untranslated.push(`${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${words}`);
      };
      visit(source, translated, report);
    }
  }
  return { translated: [...translated].sort(), untranslated };
}

/** The bundle as VS Code takes it: English to English; a translation is `bundle.l10n.LANGUAGE.json` beside it. */
export function bundleText({ translated }: ShownTexts): string {
  return `${JSON.stringify(Object.fromEntries(translated.map((text) => [text, text])), undefined, 2)}\n`;
}

function visit(node: ts.Node, translated: Set<string>, report: (node: ts.Node, words: string) => void): void {
  if (ts.isImportDeclaration(node)) return;
  if (ts.isCallExpression(node)) {
    const callee = node.expression.getText();
    if (callee === 'l10n.t' || callee === 'text') {
      const [english, ...values] = node.arguments;
      if (english !== undefined && ts.isStringLiteralLike(english)) translated.add(english.text);
      for (const value of values) visit(value, translated, report);
      return;
    }
    // The log is for maintainers, who read English.
    if (/(^|\.)log(\.\w+)?$/.test(callee)) return;
  }
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
    const markup = ts.isTaggedTemplateExpression(node.parent) || node.getText().includes('<!DOCTYPE');
    for (const part of ts.isStringLiteralLike(node) ? [node.text] : [node.head.text, ...node.templateSpans.map((span) => span.literal.text)]) {
      if (!markup && looksLikeWords(part)) report(node, part);
    }
    if (ts.isTemplateExpression(node)) for (const span of node.templateSpans) visit(span.expression, translated, report);
    return;
  }
  ts.forEachChild(node, (child) => visit(child, translated, report));
}

/** Two words of which the second is a small one: identifiers, class names and commands of VS Code are not like that. */
function looksLikeWords(text: string): boolean {
  return /[A-Za-z]{2,} [a-z]{2,}/.test(text) && !/[;{}()]/.test(text);
}
