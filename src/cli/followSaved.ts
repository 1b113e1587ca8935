import { HumanError } from '../core/errors.js';
import type { RunStore } from '../history/store.js';
import { adoptHostRun, listHostRuns } from '../run/hostRuns.js';
import { Run } from '../run/run.js';
import type { CommandValues } from './commandList.js';
import { dependenciesOf, type TerminalDependencies } from './environment.js';
import { followRun } from './followRun.js';
import { viewFor } from './run.js';

/** `c10m runs follow ID`: follows a run that goes on, or fetches its end, from what is saved here or, with --host, from its beginning. */
export async function followSaved(name: string, values: CommandValues<'runs'>, store: RunStore): Promise<number> {
  const view = viewFor({ json: values.json === true, plain: values.plain === true });
  const dependencies = dependenciesOf(values, (text) => view?.progress(text));
  try {
    const id = isSaved(store, name) ? store.resolve(name) : await adoptFrom(name, values.host, dependencies);
    const run = new Run(dependencies, store.read(id).spec, id);
    return await followRun(run, (signal) => run.resume(signal), { view, orders: false });
  } finally {
    await dependencies.pool.dispose();
  }
}

function isSaved(store: RunStore, name: string): boolean {
  return name === 'last' || store.list().some(({ id }) => id.startsWith(name) || id.endsWith(name));
}

/** Makes room here for a run that its host keeps. Returns its id. */
async function adoptFrom(name: string, host: string | undefined, dependencies: TerminalDependencies): Promise<string> {
  if (host === undefined) {
    throw new HumanError(`There is no run "${name}" in ${dependencies.store.directory}.`, {
      code: 'usage',
      remedy: 'If it was started elsewhere, name its host with --host NAME.',
    });
  }
  const runs = await listHostRuns(dependencies.lease(host), new AbortController().signal);
  const [found, ...more] = runs.filter(({ runId }) => runId.startsWith(name) || runId.endsWith(name));
  if (found === undefined || more.length > 0) {
    throw new HumanError(`${host} keeps ${more.length === 0 ? 'no run' : `${more.length + 1} runs`} "${name}".`, {
      code: 'usage',
      remedy: `List them with: c10m host runs ${host}`,
    });
  }
  adoptHostRun(dependencies.store, host, found, dependencies.version);
  return found.runId;
}
