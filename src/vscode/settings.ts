import { ConfigurationTarget, workspace, type Disposable } from 'vscode';
import { changedHosts, parseHosts, type SavedHost } from './savedHosts.js';

/** One setting with its type; all reads of the configuration go through these. */
class Setting<T> {
  constructor(
    readonly key: string,
    private readonly parse: (value: unknown) => T,
  ) {}

  get value(): T {
    return this.parse(workspace.getConfiguration('c10m').get(this.key));
  }

  onDidChange(listener: () => void): Disposable {
    return workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(`c10m.${this.key}`)) listener();
    });
  }
}

const text = (fallback: string) => (value: unknown) => (typeof value === 'string' && value !== '' ? value : fallback);
const choice =
  <T extends string>(values: readonly T[], fallback: T) =>
  (value: unknown): T =>
    values.find((candidate) => candidate === value) ?? fallback;

export const settings = {
  hosts: new Setting<SavedHost[]>('hosts', parseHosts),
  /** `50k` and `1M` are understood. */
  defaultConnections: new Setting('defaultConnections', text('100k')),
  defaultHold: new Setting('defaultHold', text('60s')),
  provisionNode: new Setting('provisionNode', choice(['ask', 'always', 'never'] as const, 'ask')),
  registry: new Setting('registry', text('')),
};

/** Adds and removes hosts by their names; what else is in the setting stays, also what cannot be read. */
export async function changeHosts(removed: readonly string[], added: readonly SavedHost[]): Promise<void> {
  const configuration = workspace.getConfiguration('c10m');
  await configuration.update('hosts', changedHosts(configuration.get('hosts'), removed, added), ConfigurationTarget.Global);
}
