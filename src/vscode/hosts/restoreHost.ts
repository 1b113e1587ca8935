import { l10n, ProgressLocation, window, type LogOutputChannel } from 'vscode';
import { restoreCommands } from '../../core/foreignText.js';
import type { RestoreReport } from '../../protocol/commands.js';
import { askHost } from '../../run/askHost.js';
import type { HostPool } from '../../run/hostPool.js';
import { askModal, showInformation, showWarning } from '../messages.js';

/** Puts back what a dead run left behind on a host, after showing what that is. */
export async function restoreHost(target: string, name: string, pool: HostPool, log: LogOutputChannel): Promise<void> {
  const found = await restore(target, name, pool, true);
  if (found.runs.length === 0 && found.keys.length === 0 && found.complete) {
    void showInformation(l10n.t('{0} is as it was found: no run left anything behind.', name));
    return;
  }
  const accept = l10n.t('Restore');
  const detail = [
    l10n.t('Left behind by: {0}', found.runs.join(', ')),
    ...found.keys.map((key) => `${key.key}: ${key.now ?? '–'} → ${key.original} (${key.outcome})`),
    ...found.notes,
    l10n.t('Only settings that still hold the value C10M wrote are restored.'),
  ].join('\n');
  if ((await askModal(l10n.t('Restore {0}?', name), { detail }, accept)) !== accept) return;
  const done = await restore(target, name, pool, false);
  for (const key of done.keys) log.info(`${name}: ${key.key} ${key.outcome}, now ${key.now ?? '–'}`);
  if (done.complete) {
    void showInformation(l10n.t('{0} was restored.', name));
    return;
  }
  for (const line of [...done.notes, ...restoreCommands(done)]) log.warn(`${name}: ${line}`);
  const showLog = l10n.t('Show Log');
  const choice = await showWarning(l10n.t('{0} could not be restored completely. The log has the commands that do it by hand.', name), showLog);
  if (choice === showLog) log.show();
}

function restore(target: string, name: string, pool: HostPool, dryRun: boolean): Thenable<RestoreReport> {
  const title = dryRun ? l10n.t('C10M: looking for what was left on {0}', name) : l10n.t('C10M: restoring {0}', name);
  return window.withProgress({ location: ProgressLocation.Notification, title, cancellable: true }, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    const lease = pool.lease(target, (message) => progress.report({ message }));
    try {
      return await askHost<RestoreReport>(lease, (id) => ({ type: 'restore', id, dryRun }), abort.signal);
    } finally {
      lease.release();
    }
  });
}
