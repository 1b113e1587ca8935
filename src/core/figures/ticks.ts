import { formatDuration } from '../units.js';

/** Steps of a time axis in seconds: those that people count in. */
const timeSteps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** Which steps an axis of values takes: decimal ones, whole decimal ones, or round ones in binary units (256 MiB, not 191 MiB). */
export type TickSteps = 'decimal' | 'counts' | 'bytes';

/** Marks of an axis of values from 0 on: so many at most, the last not above `maximum`; three or more where whole numbers allow it. */
export function valueTicks(maximum: number, most: number, steps: TickSteps = 'decimal'): number[] {
  if (!(maximum > 0)) return [0];
  const atLeast = maximum / Math.max(2, most);
  const step = steps === 'bytes' ? 2 ** Math.ceil(Math.log2(atLeast)) : decimalStep(atLeast);
  return multiples(steps === 'decimal' ? step : Math.max(1, step), 0, maximum);
}

/** The smallest of 1, 2 and 5 times a power of ten that is not below `atLeast`. */
function decimalStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= atLeast * 0.999_999)!;
}

/** Marks of a time axis, so many at most, each where people count. */
export function timeTicks(from: number, to: number, most: number): number[] {
  const atLeast = (to - from) / Math.max(2, most);
  const step = timeSteps.find((candidate) => candidate >= atLeast) ?? Math.ceil(atLeast / 604_800) * 604_800;
  return multiples(step, from, to);
}

function multiples(step: number, from: number, to: number): number[] {
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.max(1, Math.floor(to / step + 1e-9) - first + 1);
  // Of whole multiples, since sums of tenths are no tenths.
  return Array.from({ length: count }, (_value, index) => Number(((first + index) * step).toPrecision(12)));
}

/** The label of a mark on a time axis that ends at `end` seconds, as exact as its step: `12.5 s`, `1:30` (minutes), `2:05 h`. */
export function timeLabel(seconds: number, end: number): string {
  if (end < 60) return Number.isInteger(seconds) ? formatDuration(seconds) : `${Number(seconds.toFixed(2))} s`;
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (end < 3_600) return `${Math.floor(whole / 60)}:${two(whole % 60)}`;
  return `${Math.floor(whole / 3_600)}:${two(Math.floor((whole % 3_600) / 60))} h`;
}
