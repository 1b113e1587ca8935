import { html, nothing, type TemplateResult } from 'lit';
import { protocolRows } from '../../src/core/protocolRows.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../../src/core/units.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';

/** Both protocols side by side; nothing for a run of one without messages. */
export function protocolsView(run: PanelRun): TemplateResult | typeof nothing {
  const rows = protocolRows(run.spec, run.last, run.summary);
  if (rows.length === 0) return nothing;
  const lost = run.last?.messagesLost ?? 0;
  return html`<section class="card" aria-labelledby="protocols-title">
    <h2 id="protocols-title">${text('By protocol')}</h2>
    <table data-c10m="protocols">
      <thead>
        <tr>
          <th scope="col">${text('Protocol')}</th>
          <th scope="col">${text('Server')}</th>
          <th scope="col">${text('Client')}</th>
          <th scope="col">${text('Memory per end')}</th>
          <th scope="col">${text('Messages per second')}</th>
          <th scope="col">${text('Bytes per second')}</th>
          <th scope="col">${text('Messages echoed')}</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row">${row.title}</th>
              <td>${formatCount(row.server)}</td>
              <td>${formatCount(row.client)}</td>
              <td>${formatKilobytesPerEnd(row.bytesPerEnd)}</td>
              <td>${row.messagesPerSecond === null ? '–' : formatRate(row.messagesPerSecond)}</td>
              <td>${row.bytesPerSecond === null ? '–' : `${formatBytes(row.bytesPerSecond)}/s`}</td>
              <td>${formatCount(row.messagesTotal)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${lost === 0 ? nothing : html`<p class="warning">${text('{0} messages did not come back.', formatCount(lost))}</p>`}
  </section>`;
}
