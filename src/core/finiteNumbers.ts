/** An exponent of three digits. */
const largeExponent = /[eE]\+?\d{3}/;
/** The largest double has 309 digits; JSON may write as many as it likes. */
const manyDigits = 300;

/** JSON such as `1e999` is read as Infinity, which no figure is. The path of the first such number in a value parsed from `json`; undefined: none. */
export function infinitePath(json: string, value: unknown): string | undefined {
  return largeExponent.test(json) || hasManyDigits(json) ? pathIn(value, '') : undefined;
}

/** True for a number of so many digits. A run of them lies over one of each 300 characters: the others need no look, which counts with a million lines. */
function hasManyDigits(json: string): boolean {
  for (let index = manyDigits - 1; index < json.length; index += manyDigits) {
    let begin = index;
    while (isDigit(json.charCodeAt(begin))) begin--;
    let end = index + 1;
    while (begin < index && isDigit(json.charCodeAt(end))) end++;
    if (end - begin > manyDigits) return true;
  }
  return false;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function pathIn(value: unknown, path: string): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : path;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    const found = pathIn(item, path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
