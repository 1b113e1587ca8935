import { text } from '../../src/core/texts.js';
import { color, type ColorName } from './theme.js';

/** What the legend of an image says of a series; without `dash` it is drawn as an area. */
export interface ImageLegend {
  label: string;
  color: ColorName;
  /** Lengths of strokes and gaps; empty: a solid line. */
  dash?: readonly number[];
}

/** All in CSS pixels. */
const margin = 16;
const lineHeight = 22;
const swatchWidth = 24;

/** A chart with its title and legend on the background of the theme, as PNG. */
export async function chartImage(chart: HTMLCanvasElement, title: string, legend: readonly ImageLegend[]): Promise<Blob> {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  if (context === null) throw new Error(text('The browser provides no canvas.'));
  const scale = devicePixelRatio;
  const [width, height] = [chart.width / scale, chart.height / scale];
  const { fontFamily } = getComputedStyle(document.body);
  const legendFont = `12px ${fontFamily}`;
  context.font = legendFont;
  const places = legendPlaces(
    legend.map(({ label }) => swatchWidth + 6 + context.measureText(label).width),
    width,
  );
  const legendHeight = ((places.at(-1)?.row ?? 0) + 1) * lineHeight;
  // Changing the size clears the canvas and its settings.
  canvas.width = (width + margin * 2) * scale;
  canvas.height = (height + margin * 2 + lineHeight + legendHeight) * scale;
  context.scale(scale, scale);
  context.fillStyle = color('background');
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = color('foreground');
  context.font = `600 14px ${fontFamily}`;
  context.fillText(title, margin, margin + 14);
  context.drawImage(chart, margin, margin + lineHeight, width, height);
  context.font = legendFont;
  legend.forEach((item, index) => {
    const { x, row } = places[index]!;
    drawSwatch(context, item, margin + x, margin + lineHeight + height + row * lineHeight + 12);
  });
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob === null ? reject(new Error(text('The image could not be made.'))) : resolve(blob)), 'image/png'),
  );
}

/** Where each item of the legend begins: they follow each other and break into rows of the given width. */
function legendPlaces(widths: readonly number[], available: number): { x: number; row: number }[] {
  let x = 0;
  let row = 0;
  return widths.map((width) => {
    if (x > 0 && x + width > available) {
      x = 0;
      row++;
    }
    const place = { x, row };
    x += width + 18;
    return place;
  });
}

/** The same strokes as in the chart: colours alone would not tell the series apart. */
function drawSwatch(context: CanvasRenderingContext2D, item: ImageLegend, x: number, middle: number): void {
  context.fillStyle = color(item.color);
  context.strokeStyle = color(item.color);
  if (item.dash === undefined) context.fillRect(x, middle - 5, swatchWidth, 10);
  else {
    context.lineWidth = 2;
    context.setLineDash([...item.dash]);
    context.beginPath();
    context.moveTo(x, middle);
    context.lineTo(x + swatchWidth, middle);
    context.stroke();
    context.setLineDash([]);
  }
  context.fillStyle = color('foreground');
  context.fillText(item.label, x + swatchWidth + 6, middle + 4);
}
