import { html, type TemplateResult } from 'lit';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd, formatRate } from '../../src/core/units.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';
import type { Figures } from './figures.js';

/** The figures of the first screen. */
export function tilesView(run: PanelRun, figures: Figures): TemplateResult {
  const memory = figures.availableBytes;
  const isStateless = run.spec.client === 'stateless';
  const perEnd = figures.bytesPerEnd;
  const perEndDetail = () =>
    isStateless
      ? text('the client has no sockets')
      : text('{0} per connection', formatKilobytesPerEnd((perEnd ?? 0) * 2)) + (figures.approximate ? `, ${text('approximate')}` : '');
  return html`<dl class="tiles">
    ${tile(
      text('Established'),
      html`<b data-c10m="established">${formatCount(Math.min(figures.server, figures.client))}</b>
        <span>${figures.target === 0 ? '' : text('of {0}', formatCount(figures.target))}</span>`,
      html` <progress max="1" .value=${figures.progress} aria-label=${text('Established of target')}></progress>
        ${text('server')} <span data-c10m="established-server">${formatCount(figures.server)}</span>, ${text('client')}
        <span data-c10m="established-client">${formatCount(figures.client)}</span>`,
    )}
    ${tile(figures.running ? text('Connect rate') : text('Connect rate, mean'), html`<b data-c10m="rate">${formatRate(figures.rate)}</b>`, text('new connections'))}
    ${tile(
      isStateless ? text('Memory per server end') : text('Memory per end'),
      html`<b data-c10m="bytes-per-end">${formatKilobytesPerEnd(perEnd)}</b>`,
      perEnd === null ? '' : perEndDetail(),
    )}
    ${tile(
      text('Memory left'),
      html`<b data-c10m="memory-left">${memory === undefined ? '–' : formatBytes(memory)}</b>`,
      figures.totalBytes === undefined ? '' : text('of {0}', formatBytes(figures.totalBytes)),
    )}
    ${timeTile(run, figures)}
    ${tile(
      text('First wall ahead'),
      html`<b class="wall">${figures.nextWall === undefined ? '–' : formatCount(figures.nextWall.at)}</b>`,
      figures.nextWall === undefined
        ? text('none known')
        : html`<span title=${`${figures.nextWall.evidence} ${figures.nextWall.remedy}`}>${figures.nextWall.title}</span>`,
    )}
    ${tile(text('Failures'), html`<b data-c10m="failed">${formatCount(figures.failed)}</b>`, failureDetail(run, figures))}
  </dl>`;
}

/** How long it goes on, or how long it took. */
function timeTile({ summary, spec }: PanelRun, { running, secondsLeft }: Figures): TemplateResult {
  if (!running && summary !== undefined) {
    return tile(text('Ran for'), html`<b>${formatDuration(Math.round(summary.elapsedSeconds))}</b>`, text('ramp {0}', formatDuration(summary.rampSeconds)));
  }
  const value = html`<b data-c10m="time-left">${secondsLeft === undefined ? '–' : formatDuration(Math.round(secondsLeft.seconds))}</b>`;
  if (secondsLeft?.phase === 'holding') return tile(text('Hold left'), value, spec.stages.length > 1 ? text('of this stage') : text('then it drains'));
  return tile(text('Time left'), value, secondsLeft === undefined ? '' : text('until the target'));
}

function failureDetail({ summary, last }: PanelRun, figures: Figures): string {
  const byErrno = (summary ?? last)?.failed.byErrno ?? {};
  const parts = Object.entries(byErrno).map(([name, count]) => `${name} ${formatCount(count)}`);
  if (figures.lost > 0) parts.push(text('lost {0}', formatCount(figures.lost)));
  return parts.join(', ') || text('none');
}

function tile(label: string, value: TemplateResult, detail: unknown): TemplateResult {
  return html`<div class="tile">
    <dt>${label}</dt>
    <dd>${value}</dd>
    <dd class="detail">${detail}</dd>
  </div>`;
}
