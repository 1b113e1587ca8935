import type uPlot from 'uplot';
import type { ChartMark } from '../../src/core/figures/marks.js';
import { color, type ColorName } from './theme.js';

/** Told apart by their dashes, too. */
const looks: Record<ChartMark['kind'], { color: ColorName; dash: number[] }> = {
  phase: { color: 'muted', dash: [1, 3] },
  order: { color: 'purple', dash: [6, 3] },
  wall: { color: 'red', dash: [] },
};
/** A mark is named while the pointer is so near to it. */
const nearPx = 5;

/** Draws the marks behind nothing and over everything: a line from top to bottom, with a flag at its head. */
export function drawMarks(plot: uPlot, marks: readonly ChartMark[]): void {
  const { ctx: context } = plot;
  const { left, top, width, height } = plot.bbox;
  const scale = devicePixelRatio;
  context.save();
  for (const { kind, seconds } of marks) {
    const x = plot.valToPos(seconds, 'x', true);
    if (x < left || x > left + width) continue;
    context.strokeStyle = color(looks[kind].color);
    context.fillStyle = color(looks[kind].color);
    context.lineWidth = scale;
    context.setLineDash(looks[kind].dash.map((length) => length * scale));
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, top + height);
    context.stroke();
    if (kind !== 'phase') context.fillRect(x, top, 5 * scale, 4 * scale);
  }
  context.restore();
}

/** The marks that the pointer is at, in words. */
export function marksAt(plot: uPlot, marks: readonly ChartMark[], left: number): string[] {
  return marks.filter(({ seconds }) => Math.abs(plot.valToPos(seconds, 'x') - left) <= nearPx).map(({ text }) => text);
}
