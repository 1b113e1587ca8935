import { text } from '../../src/core/texts.js';
import { color, type ColorName } from './theme.js';

/** A chart with its title and legend on the background of the theme, as PNG. */
export async function chartImage(chart: HTMLCanvasElement, title: string, legend: readonly { label: string; color: ColorName }[]): Promise<Blob> {
  const scale = devicePixelRatio;
  const margin = 16 * scale;
  const line = 24 * scale;
  const canvas = document.createElement('canvas');
  canvas.width = chart.width + margin * 2;
  canvas.height = chart.height + margin * 2 + line * 2;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error(text('The browser gives no canvas.'));
  context.fillStyle = color('background');
  context.fillRect(0, 0, canvas.width, canvas.height);
  const family = getComputedStyle(document.body).fontFamily;
  context.fillStyle = color('foreground');
  context.font = `600 ${14 * scale}px ${family}`;
  context.fillText(title, margin, margin + 14 * scale);
  context.drawImage(chart, margin, margin + line);
  context.font = `${12 * scale}px ${family}`;
  let x = margin;
  const y = canvas.height - margin;
  for (const item of legend) {
    context.fillStyle = color(item.color);
    context.fillRect(x, y - 9 * scale, 14 * scale, 9 * scale);
    context.fillStyle = color('foreground');
    context.fillText(item.label, x + 18 * scale, y);
    x += 18 * scale + context.measureText(item.label).width + 16 * scale;
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob === null ? reject(new Error(text('The image could not be made.'))) : resolve(blob)), 'image/png'),
  );
}
