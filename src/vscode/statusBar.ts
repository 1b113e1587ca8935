import { l10n, MarkdownString, StatusBarAlignment, window, Disposable } from 'vscode';
import { markdownText, messageText } from '../core/foreignText.js';
import { phaseOf } from '../core/run/model.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../core/units.js';
import { commandIds } from './ids.js';
import type { LiveRun } from './runs/liveRun.js';
import type { LiveRuns } from './runs/liveRuns.js';

/** One item, only while a run is in progress; a click opens its dashboard. */
export function registerStatusBar(runs: LiveRuns): Disposable {
  const item = window.createStatusBarItem('c10m.run', StatusBarAlignment.Left, 10);
  item.name = l10n.t('C10M run');
  item.command = commandIds.openDashboard;
  const update = (): void => {
    const run = runs.current;
    if (run === undefined) {
      item.hide();
      return;
    }
    const { last } = run.model;
    const held = last === undefined ? 0 : Math.min(last.established.server, last.established.client);
    const phase = phaseOf(run.model) ?? l10n.t('connecting');
    item.text = `$(pulse) ${last === undefined ? messageText(phase) : `${formatCount(held)} ${phase}`}`;
    item.tooltip = tooltip(run, phase);
    item.accessibilityInformation = { label: l10n.t('C10M run: {0}, {1} connections', phase, formatCount(held)) };
    item.show();
  };
  const subscription = runs.onDidChange(update);
  update();
  return Disposable.from(subscription, item);
}

function tooltip(run: LiveRun, phase: string): MarkdownString {
  const { last, walls, spec } = run.model;
  const rows: [string, string][] = [
    [l10n.t('Host'), spec.host === 'local' ? l10n.t('This machine') : spec.host],
    [l10n.t('Phase'), phase],
  ];
  if (last !== undefined) {
    rows.push(
      [l10n.t('Established'), l10n.t('{0} of {1}', formatCount(Math.min(last.established.server, last.established.client)), formatCount(last.target))],
      [l10n.t('Connect rate'), formatRate(last.connectRate)],
      [l10n.t('Memory per end'), formatKilobytesPerEnd(last.ledger.bytesPerEnd)],
      [l10n.t('Memory left'), formatBytes(last.memory.availableBytes)],
      [l10n.t('Failures'), formatCount(last.failed.total)],
    );
  }
  for (const wall of walls) rows.push([l10n.t('Wall'), wall.title]);
  const markdown = new MarkdownString(undefined, true);
  markdown.appendMarkdown(`**${markdownText(run.title)}**\n\n| | |\n|---|---|\n`);
  for (const [label, value] of rows) markdown.appendMarkdown(`| ${markdownText(label)} | ${markdownText(value)} |\n`);
  // Only these two commands may be run from the tooltip.
  markdown.isTrusted = { enabledCommands: [commandIds.stop, commandIds.openDashboard] };
  markdown.appendMarkdown(
    `\n[$(graph-line) ${l10n.t('Open Dashboard')}](command:${commandIds.openDashboard}) · [$(debug-stop) ${l10n.t('Stop')}](command:${commandIds.stop})`,
  );
  return markdown;
}
