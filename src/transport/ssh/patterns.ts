/** NI_MAXHOST of OpenSSH: no host, user or variable has a longer name. What is longer matches nothing. */
const maximumTextLength = 1_025;

type CharacterTest = (character: string) => boolean;
const anyCharacter: CharacterTest = () => true;
const exactly =
  (expected: string): CharacterTest =>
  (character) =>
    character === expected;

/**
 * Whether `text` matches `pattern`, in which `*` is any text and `?` any one character, as in ssh_config and known_hosts.
 * Takes time proportional to text × pattern at worst: a recursive matcher is exponential on a pattern like `*a*a*a*b`, which
 * a file of somebody else's could hold.
 */
export function matchPattern(text: string, pattern: string): boolean {
  return matchParts(text, pattern.length, (at) => {
    const character = pattern.charAt(at);
    return character === '*' ? '*' : character === '?' ? anyCharacter : character;
  });
}

/** How one part of a path matches the pattern of a glob(3): as `matchPattern`, with sets (`[a-z]`, `[!ab]`) besides. */
export function globMatcher(part: string): (name: string) => boolean {
  const parts: (CharacterTest | '*')[] = [];
  const lastEnd = part.lastIndexOf(']');
  for (let at = 0; at < part.length; at++) {
    const character = part.charAt(at);
    const first = /[!^]/.test(part.charAt(at + 1)) ? at + 2 : at + 1;
    // A bracket that is never closed, or closed at once, stands for itself.
    const end = character === '[' && first < lastEnd ? part.indexOf(']', first) : -1;
    if (end > first) {
      parts.push(setOf(part.slice(first, end), first === at + 2));
      at = end;
    } else parts.push(character === '*' ? '*' : character === '?' ? anyCharacter : exactly(character));
  }
  return (name) => matchParts(name, parts.length, (at) => parts[at]!);
}

/** `members`: characters and ranges such as `a-z`; the empty range `z-a` has none. */
function setOf(members: string, isNegated: boolean): CharacterTest {
  return (character) => {
    let isMember = false;
    for (let at = 0; at < members.length; at++) {
      const from = members.charAt(at);
      const isRange = members.charAt(at + 1) === '-' && at + 2 < members.length;
      const to = isRange ? members.charAt(at + 2) : from;
      if (isRange) at += 2;
      if (from <= character && character <= to) isMember = true;
    }
    return isMember !== isNegated;
  };
}

/** `partAt`: any text (`*`), one character, or what a character must be. */
function matchParts(text: string, length: number, partAt: (at: number) => string | CharacterTest): boolean {
  if (text.length > maximumTextLength) return false;
  let at = 0;
  let patternAt = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const expected = patternAt < length ? partAt(patternAt) : undefined;
    const character = text.charAt(at);
    if (expected === '*') {
      starAt = patternAt++;
      resumeAt = at;
    } else if (expected !== undefined && (typeof expected === 'string' ? expected === character : expected(character))) {
      at++;
      patternAt++;
    } else if (starAt !== -1) {
      patternAt = starAt + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (patternAt < length && partAt(patternAt) === '*') patternAt++;
  return patternAt === length;
}

/**
 * A comma-separated list of patterns, each possibly negated by `!`: a negated one that matches decides, otherwise one
 * positive match is needed. So a list of negations alone matches nothing, as in OpenSSH.
 */
export function matchPatternList(text: string, list: string): 'match' | 'negated' | 'none' {
  let result: 'match' | 'none' = 'none';
  for (const item of list.split(',')) {
    const negated = item.startsWith('!');
    if (!matchPattern(text, negated ? item.slice(1) : item)) continue;
    if (negated) return 'negated';
    result = 'match';
  }
  return result;
}

/** As `matchPatternList`, regardless of case, as host names are. */
export function matchHostList(host: string, list: string): 'match' | 'negated' | 'none' {
  return matchPatternList(host.toLowerCase(), list.toLowerCase());
}
