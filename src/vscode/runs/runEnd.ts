import { l10n } from 'vscode';
import { formatCount, formatKilobytesPerEnd } from '../../core/units.js';
import { judgeRun, verdictLooks, verdictWord } from '../../core/verdict.js';
import { showError, showInformation, showWarning } from '../messages.js';
import type { LiveRun } from './liveRun.js';

export interface RunEndDependencies {
  dashboards: { isVisible(runId: string): boolean; open(runId: string): unknown };
}

/** Says how a run ended where its dashboard does not: in the verdict's words and kind of message. A run without a summary did not begin; its error is shown. */
export function announceEnd({ model, runId, title }: LiveRun, { dashboards }: RunEndDependencies): void {
  const { summary, spec } = model;
  if (summary === undefined || dashboards.isVisible(runId)) return;
  const { verdict } = judgeRun(summary, spec);
  const held = formatCount(Math.min(summary.established.server, summary.established.client));
  const show = { success: showInformation, neutral: showInformation, warning: showWarning, error: showError }[verdictLooks[verdict].severity];
  const open = l10n.t('Open Dashboard');
  const said = l10n.t('{0}: {1}. {2} connections, {3} per end.', title, verdictWord(verdict), held, formatKilobytesPerEnd(summary.bytesPerEnd));
  void show(said, open).then((choice) => choice === open && dashboards.open(runId));
}
