import { html, nothing, type TemplateResult } from 'lit';
import { withoutEcho } from '../../src/core/figures/resultTexts.js';
import { protocolRows } from '../../src/core/figures/protocolRows.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../../src/core/units.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';
import { tableView } from './tableView.js';

/** Both protocols side by side; nothing for a run of one without messages. */
export function protocolsView(run: PanelRun): TemplateResult | typeof nothing {
  const rows = protocolRows(run.spec, run.last, run.summary);
  if (rows.length === 0) return nothing;
  const perSecond = (run.last?.byProtocol.tcp?.messagesPerSecond ?? 0) + (run.last?.byProtocol.websocket?.messagesPerSecond ?? 0);
  const { unanswered, lost } = run.last === undefined ? { unanswered: 0, lost: 0 } : withoutEcho(run.last);
  // While a run is on, some are always under way.
  const isOverdue = run.summary !== undefined || unanswered > perSecond;
  return html`<section class="card" aria-labelledby="protocols-title">
    <h2 id="protocols-title">${text('By protocol')}</h2>
    ${tableView(
      [
        text('Protocol'),
        text('Server'),
        text('Client'),
        text('Memory per end'),
        text('Messages per second'),
        text('Bytes per second'),
        text('Messages echoed'),
      ],
      rows.map((row) => ({
        label: row.title,
        values: [
          formatCount(row.server),
          formatCount(row.client),
          formatKilobytesPerEnd(row.bytesPerEnd),
          row.messagesPerSecond === null ? '–' : formatRate(row.messagesPerSecond),
          row.bytesPerSecond === null ? '–' : `${formatBytes(row.bytesPerSecond)}/s`,
          formatCount(row.messagesTotal),
        ],
      })),
      { name: 'protocols' },
    )}
    ${unanswered === 0 || !isOverdue ? nothing : html`<p class="warning">${text('{0} messages have no echo.', formatCount(unanswered))}</p>`}
    ${lost === 0 ? nothing : html`<p class="warning">${text('{0} messages were lost with their connections.', formatCount(lost))}</p>`}
  </section>`;
}
