/**
 * Whether `text` matches `pattern`, in which `*` is any text and `?` any one character, as in ssh_config and known_hosts.
 * Takes time proportional to text × pattern at worst: a recursive matcher is exponential on a pattern like `*a*a*a*b`, which
 * a file of somebody else's could hold.
 */
export function matchPattern(text: string, pattern: string): boolean {
  let at = 0;
  let patternAt = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const expected = pattern.charAt(patternAt);
    if (expected === '*') {
      starAt = patternAt++;
      resumeAt = at;
    } else if (patternAt < pattern.length && (expected === '?' || expected === text.charAt(at))) {
      at++;
      patternAt++;
    } else if (starAt !== -1) {
      patternAt = starAt + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (pattern.charAt(patternAt) === '*') patternAt++;
  return patternAt === pattern.length;
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
