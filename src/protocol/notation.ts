/** A value that does not follow its notation. `message` is a sentence for people; `remedy` shows the right form. `core` makes a HumanError of it. */
export class NotationError extends Error {
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}

/** How people may write a value of a spec beside its plain form: `50k` for 50000, `64/10s` for an object. */
export interface Notation {
  /** The plain value, or what is nearer to it: the members of an object are read afterwards, and the schema judges last. Throws a NotationError. */
  read(written: unknown, what: string): unknown;
  /** JSON schema of the written form, beside that of the plain one. */
  written: Readonly<Record<string, unknown>>;
  /** Shape of the written form in a usage line, such as `BYTES/EVERY`. */
  form: string;
}

const countFactors: Record<string, number> = { '': 1, k: 1_000, m: 1_000_000, g: 1_000_000_000 };

/** `50k`, `1M`, `2.5M`, `100,000` or a number as a whole number that is not negative. Throws a NotationError. */
export function readCount(text: string | number, what: string): number {
  const match = /^\s*(-?\d{1,3}(?:[,_]\d{3})+|-?\d+(?:\.\d+)?)\s*([kmg]?)\s*$/i.exec(String(text));
  const value = match === null ? Number.NaN : Number(match[1]!.replaceAll(/[,_]/g, '')) * countFactors[match[2]!.toLowerCase()]!;
  // 2.3 * 1000 is not whole in binary; a millionth is far below one connection.
  const rounded = Math.round(value);
  if (!Number.isFinite(value) || Math.abs(value - rounded) > 1e-6) {
    throw new NotationError(`"${text}" is not a whole number for ${what}.`, 'Write it like 5000, 50k or 1M.');
  }
  if (rounded < 0) throw new NotationError(`${what} must not be negative, but is ${rounded}.`);
  return rounded;
}

const durationFactors: Record<string, number> = { '': 1, ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** `30s`, `5m`, `1h`, `500ms` or a number of seconds; returns seconds. Throws a NotationError. */
export function readDuration(text: string | number, what: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?\s*$/i.exec(String(text));
  if (match === null) throw new NotationError(`"${text}" is not a duration for ${what}.`, 'Write it like 30s, 5m or 1h.');
  return Number(match[1]) * durationFactors[(match[2] ?? '').toLowerCase()]!;
}

/** `64`, `4k`, `1MiB` or a number; returns bytes (binary units). Throws a NotationError. */
export function readBytes(text: string | number, what: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:(k|m|g)(?:i?b)?|b)?\s*$/i.exec(String(text));
  if (match === null) throw new NotationError(`"${text}" is not a size for ${what}.`, 'Write it like 64, 4k or 1M.');
  return Math.round(Number(match[1]) * 1024 ** ' kmg'.indexOf((match[2] ?? ' ').toLowerCase()));
}

/** Reads strings; what is not a string is left to the schema. */
function ofText(read: (text: string, what: string) => unknown): Notation['read'] {
  return (written, what) => (typeof written === 'string' ? read(written, what) : written);
}

const countText = { type: 'string', pattern: '^\\s*[0-9][0-9,_.]*\\s*[kKmMgG]?\\s*$' };
const durationText = { type: 'string', pattern: '^\\s*[0-9][0-9.]*\\s*(ms|s|min|m|h|d)?\\s*$' };
const bytesText = { type: 'string', pattern: '^\\s*[0-9][0-9.]*\\s*([kKmMgG]?([iI]?[bB])?)\\s*$' };

export const count: Notation = { read: ofText(readCount), written: countText, form: 'N' };
/** A count, or the word `max`. */
export const countOrMax: Notation = {
  ...count,
  read: ofText((text, what) => (text.trim().toLowerCase() === 'max' ? 'max' : readCount(text, what))),
  form: 'N|max',
};
export const duration: Notation = { read: ofText(readDuration), written: durationText, form: 'D' };
/** An object as JSON, for a command line. */
export const json: Notation = {
  read: ofText((text, what) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw new NotationError(`${what} is not JSON.`, 'Write it like {"name": "value"}.');
    }
  }),
  written: { type: 'string', pattern: '^\\s*\\{' },
  form: 'JSON',
};
export const bytes: Notation = { read: ofText(readBytes), written: bytesText, form: 'BYTES' };

/** An object whose members all have defaults, written as `true`; `false` is as good as nothing. */
export const switched: Notation = {
  read: (written) => (written === true ? {} : written === false ? undefined : written),
  written: { type: 'boolean' },
  form: '',
};

/**
 * An object written as one string, such as `64/10s`. `pattern` has a named group for each member that it may hold; the
 * members are read by their own notations afterwards.
 */
export function compact({ form, pattern, what, remedy }: { form: string; pattern: RegExp; what: string; remedy: string }): Notation {
  return {
    form,
    // Named groups are of JavaScript only; the schema of an editor need not know their names.
    written: { type: 'string', pattern: pattern.source.replaceAll(/\?<\w+>/g, '?:') },
    read: ofText((text) => {
      const groups = pattern.exec(text)?.groups;
      if (groups === undefined) throw new NotationError(`"${text}" is not a valid ${what}.`, remedy);
      return Object.fromEntries(Object.entries(groups).filter(([, value]) => (value as string | undefined) !== undefined));
    }),
  };
}
