import { commands, type Disposable, type Event, type Memento } from 'vscode';
import type { RunStore } from '../history/store.js';
import type { HostRegistry } from './hosts/hostRegistry.js';
import { contextKeys } from './ids.js';

const usedKey = 'c10m.used';

export interface ContextSources {
  registry: HostRegistry;
  store: RunStore;
  live: { all: readonly unknown[]; onDidChange: Event<void>; onDidEnd: Event<unknown> };
  /** The trees, whose opening shows that somebody looks for more than the first command. */
  views: readonly { visible: boolean; onDidChangeVisibility: Event<{ visible: boolean }> }[];
  /** Runs were added or removed. */
  onDidChangeRuns: Event<unknown>;
  memento: Memento;
}

/** Keeps the keys by which commands show in the palette only where they apply: before anything was done, that is the first command alone. */
export function registerContexts({ registry, store, live, views, onDidChangeRuns, memento }: ContextSources): Disposable[] {
  const set = (key: string, value: boolean): void => void commands.executeCommand('setContext', key, value);
  const use = (): void => {
    set(contextKeys.used, true);
    if (memento.get(usedKey) !== true) void memento.update(usedKey, true);
  };
  const hosts = (): void => set(contextKeys.hasHosts, registry.saved.length > 0);
  const runs = (): void => set(contextKeys.hasRuns, store.list().length > 0);
  set(contextKeys.used, memento.get(usedKey) === true);
  hosts();
  // After activation: it reads a directory.
  setImmediate(runs);
  return [
    registry.onDidChange(hosts),
    onDidChangeRuns(runs),
    live.onDidEnd(runs),
    live.onDidChange(() => {
      set(contextKeys.running, live.all.length > 0);
      if (live.all.length > 0) use();
    }),
    ...views.map((view) => view.onDidChangeVisibility(({ visible }) => visible && use())),
  ];
}
