import { html, svg, type TemplateResult } from 'lit';
import { judgeRun, verdictLooks, verdictWord, type RunVerdict } from '../../src/core/verdict.js';
import { verdictShape } from '../../src/core/verdictShapes.js';
import type { PanelRun } from '../../src/protocol/panel.js';

/** How a run ended; undefined while it goes on, and for one that did not begin. */
export function verdictOf({ summary, spec, link, phases }: PanelRun): RunVerdict | undefined {
  if (summary !== undefined) return judgeRun(summary, spec).verdict;
  return link === 'saved' && phases.length > 0 ? 'incomplete' : undefined;
}

/** Icon and word of a verdict; its colour comes from the class of its severity. */
export function verdictView(verdict: RunVerdict): TemplateResult {
  const { icon, severity } = verdictLooks[verdict];
  return html`<span class="verdict-mark ${severity}" data-icon=${icon}
    ><svg class="verdict-icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">${svg`<path d=${verdictShape(verdict)} />`}</svg
    ><span data-c10m="verdict">${verdictWord(verdict)}</span></span
  >`;
}
