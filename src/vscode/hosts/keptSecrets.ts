import type { SecretStorage } from 'vscode';

/** The passwords and passphrases that the user lets VS Code keep, by host. They are forgotten with their host. */
export class KeptSecrets {
  constructor(private readonly storage: Pick<SecretStorage, 'get' | 'store' | 'delete'>) {}

  get(host: string, name: string): Thenable<string | undefined> {
    return this.storage.get(secretKey(host, name));
  }

  async keep(host: string, name: string, value: string): Promise<void> {
    // Its name first: a secret that no list names would outlive its host.
    await this.writeNames(host, [...new Set([...(await this.names(host)), name])]);
    await this.storage.store(secretKey(host, name), value);
  }

  async drop(host: string, name: string): Promise<void> {
    await this.storage.delete(secretKey(host, name));
    const names = await this.names(host);
    if (names.includes(name))
      await this.writeNames(
        host,
        names.filter((other) => other !== name),
      );
  }

  /** Forgets all secrets of a host and returns how many there were. */
  async forget(host: string): Promise<number> {
    const names = await this.names(host);
    for (const name of names) await this.storage.delete(secretKey(host, name));
    if (names.length > 0) await this.storage.delete(listKey(host));
    return names.length;
  }

  /** VS Code 1.104 cannot list what an extension has stored, so each host has its list beside its secrets. */
  private async names(host: string): Promise<string[]> {
    try {
      const value: unknown = JSON.parse((await this.storage.get(listKey(host))) ?? '[]');
      return Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];
    } catch {
      // A damaged list is begun anew.
      return [];
    }
  }

  private writeNames(host: string, names: readonly string[]): Thenable<void> {
    return names.length === 0 ? this.storage.delete(listKey(host)) : this.storage.store(listKey(host), JSON.stringify(names));
  }
}

function secretKey(host: string, name: string): string {
  return `c10m.secret:${host}:${name}`;
}

function listKey(host: string): string {
  return `c10m.secrets:${host}`;
}
