import { env, l10n, window, type Disposable, type LogOutputChannel, type Uri } from 'vscode';
import { HumanError } from '../../core/errors.js';
import type { RunStore } from '../../history/store.js';
import type { Dashboards } from '../panels/dashboards.js';
import { reportError } from '../reportError.js';

const extensionId = 'c10m.c10m';

/** `vscode://c10m.c10m/run/ID`, with the scheme of this VS Code. */
export function runLink(runId: string): string {
  return `${env.uriScheme}://${extensionId}/run/${runId}`;
}

/** Opens the dashboard of a run by its link. A link comes from anywhere: it opens what is saved here, and does nothing else. */
export function registerRunLinks(store: RunStore, dashboards: Dashboards, log: LogOutputChannel): Disposable {
  return window.registerUriHandler({
    handleUri: (uri: Uri) => {
      try {
        const runId = /^\/run\/([0-9A-Za-z-]{1,64})$/.exec(uri.path)?.[1];
        if (runId === undefined)
          throw new HumanError(l10n.t('"{0}" is no link to a run.', uri.path), { code: 'usage', remedy: l10n.t('A link ends in /run/ID.') });
        dashboards.open(store.read(runId).id);
      } catch (error) {
        reportError(log, error);
      }
    },
  });
}
