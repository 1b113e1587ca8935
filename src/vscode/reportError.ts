import { l10n, type LogOutputChannel } from 'vscode';
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
    void showError(error.text, showLog).then((choice) => choice === showLog && log.show());
    return;
  }
  log.error(error instanceof Error ? error : String(error));
  const message = messageOf(error);
  void showError(l10n.t('C10M failed unexpectedly: {0}', message), showLog).then((choice) => choice === showLog && log.show());
}
