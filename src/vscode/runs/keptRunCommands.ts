import { commands, l10n, type Disposable, type LogOutputChannel } from 'vscode';
import { HumanError } from '../../core/errors.js';
import type { RunStore } from '../../history/store.js';
import { pickHost } from '../hosts/hostCommands.js';
import type { HostRegistry, KnownHost } from '../hosts/hostRegistry.js';
import { commandIds } from '../ids.js';
import type { Dashboards } from '../panels/dashboards.js';
import { reportError } from '../reportError.js';
import type { KeptRun, KeptRuns } from './keptRuns.js';
import type { LiveRuns } from './liveRuns.js';
import type { RunningRuns } from './runningRuns.js';
import type { RunItem } from './runsTree.js';

export interface KeptRunDependencies {
  registry: HostRegistry;
  keptRuns: KeptRuns;
  store: RunStore;
  live: LiveRuns;
  running: RunningRuns;
  dashboards: Dashboards;
  log: LogOutputChannel;
}

/** The commands that find runs on a host, and follow one that nobody here follows, or fetch its end. */
export function registerKeptRunCommands({ registry, keptRuns, store, live, running, dashboards, log }: KeptRunDependencies): Disposable[] {
  return [
    commands.registerCommand(commandIds.findRuns, async (given?: KnownHost) => {
      try {
        const host = given ?? (await pickHost(registry, l10n.t('Find runs on a host')));
        if (host !== undefined) await keptRuns.find(host.target, host.kind === 'local' ? l10n.t('This machine') : host.name);
      } catch (error) {
        reportError(log, error);
      }
    }),
    commands.registerCommand(commandIds.followRun, async (item?: KeptRun | RunItem) => {
      if (item === undefined) return;
      try {
        const id = 'run' in item ? keptRuns.adopt(item) : item.id;
        const pid = await running.follower(id);
        if (pid !== undefined && pid !== process.pid) {
          // Two would write the same files.
          throw new HumanError(l10n.t('Another window of this machine follows the run.'), { code: 'usage', remedy: l10n.t('Look at it there.') });
        }
        // Its dashboard says how it ends, and what went wrong.
        if (live.get(id) === undefined) live.follow(store.read(id).spec, id).outcome.catch((error: unknown) => reportError(log, error));
        dashboards.open(id);
      } catch (error) {
        reportError(log, error);
      }
    }),
  ];
}
