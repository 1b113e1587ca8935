import { html, nothing, svg, type TemplateResult } from 'lit';
import { bytesPerEndIn2014, kernelFloorBytesPerEnd } from '../../src/core/plan/costs.js';
import { ledgerItems } from '../../src/core/figures/ledger.js';
import { formatBytes, formatKilobytesPerEnd } from '../../src/core/units.js';
import type { Ledger } from '../../src/protocol/events.js';
import { groupColors, groupLabel, groupOf } from './ledgerGroups.js';
import { text } from '../../src/core/texts.js';
import { color } from './theme.js';

/** Bytes per end to compare with: what this experiment cost in 2014 (Tornado), and the kernel's own cost, measured without any process memory. */
const marks = [
  { bytes: kernelFloorBytesPerEnd, label: () => text('Kernel floor {0}', formatKilobytesPerEnd(kernelFloorBytesPerEnd)) },
  { bytes: bytesPerEndIn2014.tcp, label: () => text('2014 TCP {0}', formatKilobytesPerEnd(bytesPerEndIn2014.tcp)) },
  { bytes: bytesPerEndIn2014.websocket, label: () => text('2014 WebSocket {0}', formatKilobytesPerEnd(bytesPerEndIn2014.websocket)) },
];
const barWidth = 1000;

/** The ledger as a bar to scale and as a table. `established`: of both sides together. */
export function ledgerView(ledger: Ledger | null | undefined, established: number): TemplateResult {
  if (ledger === null || ledger === undefined || ledger.bytesPerEnd === null || established === 0) {
    return html`<p class="empty">${text('The ledger is written once connections are established.')}</p>`;
  }
  const labels = new Map(ledgerItems.map((item) => [item.id, item]));
  const parts = Object.entries(ledger.entries)
    .filter(([, bytes]) => bytes > 0)
    .map(([id, bytes]) => ({ id, bytes, group: groupOf(id), label: labels.get(id)?.label ?? id, description: labels.get(id)?.description }))
    .sort((a, b) => order(a.group) - order(b.group) || b.bytes - a.bytes);
  const perEnd = ledger.bytesPerEnd;
  // Of the ledger's own ratio: a client without sockets has no ends.
  const ends = ledger.explainedBytes / perEnd;
  const scale = barWidth / Math.max(18_500, perEnd * 1.05);
  const total = parts.reduce((sum, part) => sum + part.bytes, 0);
  let x = 0;
  const boxes = parts.map((part, index) => {
    const width = (part.bytes / total) * perEnd * scale;
    const box = { ...part, x, width, number: index + 1 };
    x += width;
    return box;
  });
  return html`
    <p class="headline">
      <b data-c10m="ledger-per-end">${formatKilobytesPerEnd(perEnd)}</b> ${text('per end')}${
        ledger.bytesPerPair === null ? nothing : html`, <b>${formatKilobytesPerEnd(ledger.bytesPerPair)}</b> ${text('per connection')}`
      }
      ${ledger.explainedRatio === null ? nothing : html`<span class="muted">${text('{0} % of the growth of memory is explained', (ledger.explainedRatio * 100).toFixed(1))}</span>`}
      ${ledger.approximate ? html`<span class="badge">${text('approximate: slabinfo cannot be read without root')}</span>` : nothing}
    </p>
    <svg
      class="ledger-bar"
      viewBox="0 0 ${barWidth} 74"
      preserveAspectRatio="none"
      role="img"
      aria-label=${text('Bytes per end by part; the table below has the same figures.')}
    >
      ${boxes.map((box) => svg`<rect x=${box.x} y="26" width=${Math.max(0.5, box.width)} height="30" fill=${color(groupColors[box.group])} class="part"><title>${box.label}: ${formatKilobytesPerEnd(box.bytes / ends)}</title></rect>`)}
      ${marks.map((mark) => svg`<line class="mark" x1=${mark.bytes * scale} x2=${mark.bytes * scale} y1="18" y2="62" />`)}
    </svg>
    <ul class="ledger-marks">
      ${/* A property: the panel's policy forbids the style attribute, which styleMap would write at first. */ marks.map((mark) => html`<li .style=${`left: ${((mark.bytes * scale) / barWidth) * 100}%`}>${mark.label()} <br />${comparison(perEnd, mark.bytes)}</li>`)}
    </ul>
    <table class="ledger-table">
      <caption class="visually-hidden">
        ${text('Where each byte goes')}
      </caption>
      <thead>
        <tr>
          <th scope="col">${text('Part')}</th>
          <th scope="col">${text('Group')}</th>
          <th scope="col">${text('Bytes per end')}</th>
          <th scope="col">${text('Share')}</th>
          <th scope="col">${text('Total')}</th>
        </tr>
      </thead>
      <tbody>
        ${boxes.map(
          (box) =>
            html`<tr title=${box.description ?? ''}>
              <th scope="row">
                <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill=${color(groupColors[box.group])} /></svg>
                ${box.label}
              </th>
              <td>${groupLabel(box.group)}</td>
              <td>${Math.round(box.bytes / ends).toLocaleString('en')}</td>
              <td>${((box.bytes / total) * 100).toFixed(1)} %</td>
              <td>${formatBytes(box.bytes)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${(ledger.reusedSlotBytes ?? 0) >= 1024 ** 2 ? html`<p class="muted">${text('Reused free slots')}: ${formatBytes(ledger.reusedSlotBytes ?? 0)}</p>` : nothing}
    ${ledger.contamination.map((line) => html`<p class="muted">${text('Note')}: ${line}</p>`)}
    <p class="muted">${text('What each figure is, where it is from and how far it can be wrong: docs/method.md of C10M.')}</p>
  `;
}

const groupOrder = Object.keys(groupColors);
function order(group: keyof typeof groupColors): number {
  return groupOrder.indexOf(group);
}

function comparison(bytes: number, reference: number): string {
  const ratio = bytes / reference;
  return ratio >= 1 ? text('{0} times as much', ratio.toFixed(2)) : text('{0} % less', ((1 - ratio) * 100).toFixed(0));
}
