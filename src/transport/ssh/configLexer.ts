/**
 * The words of an ssh_config line, split as OpenSSH's `strdelim` and `argv_split` do. Pure.
 */
const whitespace = ' \t\r\n';

/**
 * Takes the next word of `text`: up to whitespace, or one `=` between words, or the whole of a leading "quoted part".
 * Returns undefined at the end and for an open quote.
 */
export function nextWord(text: string): { word: string; rest: string } | undefined {
  if (text === '') return undefined;
  if (text.startsWith('"')) {
    const end = text.indexOf('"', 1);
    return end === -1 ? undefined : { word: text.slice(1, end), rest: skip(text, end + 1, whitespace) };
  }
  let end = 0;
  while (end < text.length && !`${whitespace}"=`.includes(text.charAt(end))) end++;
  const word = text.slice(0, end);
  // A quote ends the word and is kept for the next.
  if (text.charAt(end) === '"') return { word, rest: text.slice(end) };
  let rest = skip(text, end, whitespace);
  if (rest.startsWith('=')) rest = skip(rest, 1, whitespace);
  return { word, rest };
}

/** A line as its lower-case keyword and the text after it; undefined for an empty line or a comment. */
export function splitLine(line: string): { keyword: string; rest: string } | undefined {
  let end = line.length;
  // Not by a regular expression: over a long run of blanks inside the line it takes quadratic time.
  while (end > 0 && ' \t\r\n\f'.includes(line.charAt(end - 1))) end--;
  let next = nextWord(line.slice(0, end));
  if (next?.word === '') next = nextWord(next.rest);
  if (next === undefined || next.word === '' || next.word.startsWith('#')) return undefined;
  return { keyword: next.word.toLowerCase(), rest: skip(next.rest, 0, whitespace) };
}

/** The arguments of a keyword: quotes group, backslash escapes quotes, itself and spaces, `#` at the start of a word ends the line. Undefined for an open quote. */
export function splitArguments(text: string): string[] | undefined {
  const words: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const first = text.charAt(at);
    if (first === ' ' || first === '\t') continue;
    if (first === '#') break;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const character = text.charAt(at);
      const following = text.charAt(at + 1);
      if (character === '\\' && (following === "'" || following === '"' || following === '\\' || (quote === '' && following === ' '))) {
        word += following;
        at++;
      } else if (quote === '' && (character === ' ' || character === '\t')) break;
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (character === quote) quote = '';
      else word += character;
    }
    if (quote !== '') return undefined;
    words.push(word);
  }
  return words;
}

function skip(text: string, from: number, characters: string): string {
  let at = from;
  while (at < text.length && characters.includes(text.charAt(at))) at++;
  return text.slice(at);
}
