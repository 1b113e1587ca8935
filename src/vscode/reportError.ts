import { env, l10n, type LogOutputChannel } from 'vscode';
import { HumanError, messageOf } from '../core/errors.js';
import { showError } from './messages.js';

/**
 * Shows an error once: the sentence and the remedy of a HumanError, or, for a defect of ours, that the log has the details.
 * A cancellation by the user is no error and is not shown.
 */
export function reportError(log: LogOutputChannel, error: unknown): void {
  const showLog = l10n.t('Show Log');
  if (error instanceof HumanError) {
    if (error.code === 'cancelled') {
      log.info(error.message);
      return;
    }
    log.error(error.text);
    const command = commandIn(error.remedy);
    const copy = command === undefined ? l10n.t('Copy') : l10n.t('Copy Command');
    void showError(error.text, copy, showLog).then(async (choice) => {
      if (choice === showLog) log.show();
      if (choice === copy) await env.clipboard.writeText(command ?? error.text);
    });
    return;
  }
  log.error(error instanceof Error ? error : String(error));
  const message = messageOf(error);
  void showError(l10n.t('C10M failed unexpectedly: {0}', message), showLog).then((choice) => choice === showLog && log.show());
}

/** The command that a remedy ends with, after its last colon: `… with: ssh-keygen -R name -f file`. */
export function commandIn(remedy: string | undefined): string | undefined {
  return /: ((?:sudo |ssh-keygen |chmod |chown |sysctl |systemctl |apt-get |c10m )[^\n]+?)\.?$/.exec(remedy ?? '')?.[1];
}
