import { html, nothing, type TemplateResult } from 'lit';
import { formatCount, formatDuration } from '../../src/core/units.js';
import type { PanelEntry, PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';

const shownEntries = 200;

/** Walls that were recognised, then those that the plan foresees. */
export function wallsView(run: PanelRun): TemplateResult {
  const planned = (run.plan?.walls ?? []).filter((wall) => wall.atAfterTuning !== null && !run.walls.some((hit) => hit.id === wall.id)).slice(0, 8);
  if (run.walls.length === 0 && planned.length === 0) return html`<p class="empty">${text('No wall is known yet.')}</p>`;
  return html`
    <ul class="walls">
      ${run.walls.map(
        (wall) =>
          html`<li class="hit">
            <h3><span class="badge error">${text('Reached')}</span> ${wall.title} <span class="muted">${text('at {0}', formatCount(wall.at))}</span></h3>
            <p>${wall.evidence}</p>
            <p><b>${text('Remedy')}</b> ${wall.remedy}</p>
          </li>`,
      )}
      ${planned.map(
        (wall) =>
          html`<li>
            <details>
              <summary>
                ${wall.title} <span class="muted">${text('at {0}', formatCount(wall.atAfterTuning ?? 0))}</span>
                ${wall.at !== null && wall.at !== wall.atAfterTuning ? html`<span class="muted">${text('({0} before tuning)', formatCount(wall.at))}</span>` : nothing}
              </summary>
              <p>${wall.evidence}</p>
              <p><b>${text('Remedy')}</b> ${wall.remedy}</p>
            </details>
          </li>`,
      )}
    </ul>
  `;
}

const levelLabels: Record<PanelEntry['level'], () => string> = {
  debug: () => text('detail'),
  info: () => text('info'),
  warn: () => text('warning'),
  error: () => text('error'),
};

/** The latest first. */
export function entriesView(entries: readonly PanelEntry[], withDetail: boolean): TemplateResult {
  const shown = entries.filter((entry) => withDetail || entry.level !== 'debug').slice(-shownEntries);
  if (shown.length === 0) return html`<p class="empty">${text('Nothing happened yet.')}</p>`;
  return html`<ol class="entries" tabindex="0" aria-label=${text('Events, the latest first')}>
    ${shown.reverse().map(
      (entry) =>
        html`<li class=${entry.level}>
          <time>${formatDuration(entry.t / 1000)}</time>
          <span class="level">${levelLabels[entry.level]()}</span>
          <span class="text">${entry.text}${entry.remedy === undefined ? nothing : html`<span class="remedy">${entry.remedy}</span>`}</span>
        </li>`,
    )}
  </ol>`;
}
