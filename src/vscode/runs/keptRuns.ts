import { EventEmitter, l10n, ProgressLocation, window, type Disposable } from 'vscode';
import type { RunStore } from '../../history/store.js';
import type { HostRun } from '../../protocol/commands.js';
import type { HostPool } from '../../run/hostPool.js';
import { adoptHostRun, listHostRuns } from '../../run/hostRuns.js';
import { showInformation } from '../messages.js';

/** A run that a host keeps and that this window does not follow. */
export interface KeptRun {
  /** As the pool and the spec call its host. */
  host: string;
  run: HostRun;
}

/** Runs on hosts that nobody here follows: started elsewhere, or left when this window could not reach its host. Found when a person asks for them. */
export class KeptRuns implements Disposable {
  private readonly found = new Map<string, readonly HostRun[]>();
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly pool: HostPool,
    private readonly store: RunStore,
    private readonly version: string,
  ) {}

  dispose(): void {
    this.changed.dispose();
  }

  /** Those that are not wholly here, as last found. `isFollowed`: by this window. */
  list(isFollowed: (runId: string) => boolean): KeptRun[] {
    const ended = new Set(this.store.list().flatMap(({ id, result }) => (result === undefined || result === 'incomplete' ? [] : [id])));
    return [...this.found].flatMap(([host, runs]) =>
      runs.filter(({ runId }) => !isFollowed(this.here(runId)) && !ended.has(this.here(runId))).map((run) => ({ host, run })),
    );
  }

  /** Asks a host which runs it keeps, with a notification that can be cancelled. `name`: of the host, for people. */
  async find(host: string, name: string): Promise<void> {
    const runs = await window.withProgress(
      { location: ProgressLocation.Notification, title: l10n.t('C10M: looking for runs on {0}', name), cancellable: true },
      async (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        const lease = this.pool.lease(host, (message) => progress.report({ message }));
        try {
          return await listHostRuns(lease, abort.signal);
        } finally {
          lease.release();
        }
      },
    );
    this.found.set(host, runs);
    this.changed.fire();
    // Not awaited: the message may stay for minutes.
    if (this.list(() => false).every((kept) => kept.host !== host)) void showInformation(l10n.t('{0} keeps no run that is not here.', name));
  }

  /** The id under which a run of a host can be followed here; makes room for one that is not here yet. Throws a HumanError. */
  adopt({ host, run }: KeptRun): string {
    const id = this.here(run.runId);
    if (!this.isHere(id)) adoptHostRun(this.store, host, run, this.version);
    return id;
  }

  /** A part of a run over several hosts is followed with the whole run, where that is here. */
  private here(runId: string): string {
    const whole = runId.replace(/-(server|client\d+)$/, '');
    return whole !== runId && this.isHere(whole) ? whole : runId;
  }

  private isHere(id: string): boolean {
    return this.store.list().some((entry) => entry.id === id && entry.state === 'ok');
  }
}
