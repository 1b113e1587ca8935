import { NotationError, readBytes, readCount, readDuration } from '../protocol/notation.js';
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

/** Bytes of one end in kB (1,000 bytes), as the 2014 figures of 10.5 and 15.5 were stated. */
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

/** A reader of a notation whose complaint is for people: a HumanError (usage). */
function human(read: (text: string | number, what: string) => number, usual: string): (text: string | number, what?: string) => number {
  return (text, what = usual) => {
    try {
      return read(text, what);
    } catch (error) {
      if (error instanceof NotationError) throw new HumanError(error.message, { code: 'usage', remedy: error.remedy });
      throw error;
    }
  };
}

/** `50k`, `1M`, `2.5M`, `100,000` or a number; throws a HumanError (usage) for anything else, negative and fractional counts too. */
export const parseCount = human(readCount, 'the number');

/** `30s`, `5m`, `1h`, `500ms` or a number of seconds; returns seconds. Throws a HumanError (usage). */
export const parseDuration = human(readDuration, 'the duration');

/** `64`, `4k`, `1MiB` or a number; returns bytes (binary units). Throws a HumanError (usage). */
export const parseBytes = human(readBytes, 'the size');
