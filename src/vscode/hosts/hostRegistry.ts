import { hostname } from 'node:os';
import { env, EventEmitter, l10n, type Disposable } from 'vscode';
import { changeHosts, settings } from '../settings.js';
import type { SavedHost } from '../savedHosts.js';

/** A host that may be chosen. `target` is what the transport is asked for. */
export interface KnownHost {
  kind: 'local' | 'saved' | 'alias';
  name: string;
  target: string;
  detail: string;
  saved?: SavedHost;
}

/** `user@address:port` of a saved host, as the transport and `c10m --host` understand it. */
export function targetOf(host: Pick<SavedHost, 'address' | 'user' | 'port'>): string {
  const address = host.address.includes(':') ? `[${host.address}]` : host.address;
  return `${host.user === undefined ? '' : `${host.user}@`}${address}${host.port === undefined ? '' : `:${host.port}`}`;
}

/** The hosts of this user: this machine, those saved in settings, and the aliases of ssh_config. */
export class HostRegistry implements Disposable {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly subscription: Disposable;

  constructor(
    private readonly localSupported: boolean,
    private readonly readAliases: () => Promise<readonly string[]>,
    /** The extension runs where VS Code's server does, not where its window is. */
    private readonly isOnServer: boolean,
  ) {
    this.subscription = settings.hosts.onDidChange(() => this.changed.fire());
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  get saved(): readonly SavedHost[] {
    return settings.hosts.value;
  }

  async list(): Promise<KnownHost[]> {
    const saved = this.saved.map((host): KnownHost => ({ kind: 'saved', name: host.name, target: targetOf(host), detail: targetOf(host), saved: host }));
    const aliases = await this.aliases();
    return [
      ...(this.localSupported ? [{ kind: 'local' as const, name: l10n.t('This machine'), target: 'local', detail: localDetail(this.isOnServer) }] : []),
      ...saved,
      ...aliases
        .filter((alias) => !saved.some((host) => host.name === alias))
        .map((alias): KnownHost => ({ kind: 'alias', name: alias, target: alias, detail: '~/.ssh/config' })),
    ];
  }

  /** The saved host behind a target of a run, for its sudo and identity. */
  find(target: string): SavedHost | undefined {
    return this.saved.find((host) => host.name === target || targetOf(host) === target);
  }

  async save(host: SavedHost, replaces?: string): Promise<void> {
    await changeHosts(replaces === undefined ? [] : [replaces], [host]);
  }

  async remove(name: string): Promise<void> {
    await changeHosts([name], []);
  }

  /** A broken ssh_config must not hide the other hosts; the transport says what is wrong with it when it is used. */
  async aliases(): Promise<readonly string[]> {
    try {
      return await this.readAliases();
    } catch {
      return [];
    }
  }
}

/** Which machine this one is: with a window here and the workspace elsewhere that is not plain. */
function localDetail(isOnServer: boolean): string {
  if (isOnServer) return l10n.t('{0}, where the VS Code server runs', hostname());
  return env.remoteName === undefined ? hostname() : l10n.t('{0}, where the window is', hostname());
}
