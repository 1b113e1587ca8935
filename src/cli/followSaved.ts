import { HumanError } from '../core/errors.js';
import type { RunStore } from '../history/store.js';
import type { RunSpec } from '../protocol/spec.js';
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
    const { id, spec, isGuest } = isSaved(store, name) ? savedHere(store, name) : await keptThere(name, values.host, dependencies);
    const run = new Run(dependencies, spec, id);
    return await followRun(run, (signal) => run.resume(signal, isGuest), { view, orders: false });
  } finally {
    await dependencies.pool.dispose();
  }
}

interface Followed {
  id: string;
  spec: RunSpec;
  isGuest: boolean;
}

function isSaved(store: RunStore, name: string): boolean {
  return name === 'last' || store.list().some(({ id }) => id.startsWith(name) || id.endsWith(name));
}

function savedHere(store: RunStore, name: string): Followed {
  const id = store.resolve(name);
  return { id, spec: store.read(id).spec, isGuest: false };
}

async function keptThere(name: string, host: string | undefined, dependencies: TerminalDependencies): Promise<Followed> {
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
  return { id: found.runId, spec: adoptHostRun(dependencies.store, host, found, dependencies.version), isGuest: true };
}
