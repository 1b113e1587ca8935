import { HumanError } from './errors.js';

const integer = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** `100000` as `100,000`. */
export function formatCount(count: number): string {
  return integer.format(count);
}

/** `23,321.2`: with at most so many digits behind the point. */
export function formatFigure(value: number, maximumDigits: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: maximumDigits });
}

/** `1 port`, `2 ports`: a count with what is counted, whose plural ends with s. */
export function formatCountOf(count: number, singular: string): string {
  return `${formatCount(count)} ${singular}${count === 1 ? '' : 's'}`;
}

/** Bytes in binary units with three significant digits: `512 B`, `4.04 KiB`, `1.91 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const sign = bytes < 0 ? '−' : '';
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${sign}${value.toFixed(digits)} ${units[unit]!}`;
}

/** Bytes of one end in kB (1,000 bytes), as the 2014 figures of 10.5 and 15.5 were told. */
export function formatKilobytesPerEnd(bytes: number | null): string {
  return bytes === null ? '–' : `${hundredths.format(bytes / 1000)} kB`;
}

/** `63 ms`, `4.2 s`, `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds > 0 && seconds < 0.9995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Connections per second. */
export function formatRate(perSecond: number): string {
  return `${formatCount(perSecond)}/s`;
}

const countFactors: Record<string, number> = { '': 1, k: 1_000, m: 1_000_000, g: 1_000_000_000 };

/** `50k`, `1M`, `2.5M`, `100,000` or a number; throws a HumanError (usage) for anything else, negative and fractional counts too. */
export function parseCount(text: string | number, what = 'the number'): number {
  const match = /^\s*(-?\d{1,3}(?:[,_]\d{3})+|-?\d+(?:\.\d+)?)\s*([kmg]?)\s*$/i.exec(String(text));
  const value = match === null ? Number.NaN : Number(match[1]!.replaceAll(/[,_]/g, '')) * countFactors[match[2]!.toLowerCase()]!;
  // 2.3 * 1000 is not whole in binary; a millionth is far below one connection.
  const rounded = Math.round(value);
  if (!Number.isFinite(value) || Math.abs(value - rounded) > 1e-6) {
    throw new HumanError(`"${text}" is not a whole number for ${what}.`, { code: 'usage', remedy: 'Write it like 5000, 50k or 1M.' });
  }
  if (rounded < 0) throw new HumanError(`${what} must not be negative, but is ${rounded}.`, { code: 'usage' });
  return rounded;
}

const durationFactors: Record<string, number> = { '': 1, ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** `30s`, `5m`, `1h`, `500ms` or a number of seconds; returns seconds. Throws a HumanError (usage). */
export function parseDuration(text: string | number, what = 'the duration'): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?\s*$/i.exec(String(text));
  if (match === null) {
    throw new HumanError(`"${text}" is not a duration for ${what}.`, { code: 'usage', remedy: 'Write it like 30s, 5m or 1h.' });
  }
  return Number(match[1]) * durationFactors[(match[2] ?? '').toLowerCase()]!;
}

/** `64`, `4k`, `1MiB` or a number; returns bytes (binary units). Throws a HumanError (usage). */
export function parseBytes(text: string | number, what = 'the size'): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:(k|m|g)(?:i?b)?|b)?\s*$/i.exec(String(text));
  if (match === null) throw new HumanError(`"${text}" is not a size for ${what}.`, { code: 'usage', remedy: 'Write it like 64, 4k or 1M.' });
  return Math.round(Number(match[1]) * 1024 ** ' kmg'.indexOf((match[2] ?? ' ').toLowerCase()));
}
