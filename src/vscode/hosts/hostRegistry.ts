import { EventEmitter, l10n, type Disposable } from 'vscode';
import { settings, type SavedHost } from '../settings.js';

/** A host that may be chosen. `target` is what the transport is asked for. */
export interface KnownHost {
  kind: 'local' | 'saved' | 'alias';
  name: string;
  target: string;
  detail: string;
  saved?: SavedHost;
}

/** `user@address:port` of a saved host, as the transport and `c10m --host` understand it. */
export function targetOf(host: SavedHost): string {
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
      ...(this.localSupported ? [{ kind: 'local' as const, name: l10n.t('This machine'), target: 'local', detail: l10n.t('no SSH') }] : []),
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
    const others = this.saved.filter((other) => other.name !== host.name && other.name !== replaces);
    await settings.hosts.update([...others, host].sort((a, b) => a.name.localeCompare(b.name)));
  }

  async remove(name: string): Promise<void> {
    await settings.hosts.update(this.saved.filter((host) => host.name !== name));
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
