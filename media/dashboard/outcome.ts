import { html, nothing, type TemplateResult } from 'lit';
import { formatThresholdValue } from '../../src/core/figures/thresholds.js';
import { formatCount, formatDuration, formatRate } from '../../src/core/units.js';
import { verdictLooks, type RunVerdict } from '../../src/core/verdict.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';
import { verdictView } from './verdictView.js';

/** How a run ended, why, and what of the host differs; nothing while it goes on. */
export function outcomeView({ summary }: PanelRun, verdict: RunVerdict | undefined): TemplateResult | typeof nothing {
  if (verdict === undefined) return nothing;
  const { severity } = verdictLooks[verdict];
  if (summary === undefined)
    return html`<section class="card verdict ${severity}" aria-label=${text('Result')}>
      <p>${verdictView(verdict)} ${text('Its end was not seen; what is known up to then is below.')}</p>
    </section>`;
  const held = formatCount(Math.min(summary.established.server, summary.established.client));
  return html`<section class="card verdict ${severity}" aria-label=${text('Result')}>
    <p>
      ${verdictView(verdict)}
      ${summary.target === 0 ? text('{0} connections held together', held) : text('{0} of {1} connections held together', held, formatCount(summary.target))},
      ${text('ramp {0} at {1}', formatDuration(summary.rampSeconds), formatRate(summary.connectRate.mean))}.
      ${summary.hostRestored ? text('The host is as it was found.') : html`<b class="warning">${text('The host could not be restored completely.')}</b>`}
    </p>
    ${summary.reason === undefined ? nothing : html`<p class="reason">${summary.reason}</p>`}
    ${summary.keys
      .filter((key) => key.outcome !== 'restored')
      .map((key) => html`<p class="warning">${key.key}: ${key.original} → ${key.ours}, ${text('now {0}', key.now ?? '–')} (${key.outcome})</p>`)}
    ${summary.thresholds
      .filter((threshold) => !threshold.passed)
      .map((threshold) => html`<p class="warning">${text('Threshold failed: {0} (was {1})', threshold.expression, formatThresholdValue(threshold))}</p>`)}
  </section>`;
}
