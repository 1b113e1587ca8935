import { ConfigurationTarget, workspace, type Disposable } from 'vscode';

/** A host as saved in the setting `c10m.hosts`, of machine scope: a workspace cannot name hosts. No secrets. */
export interface SavedHost {
  /** What the user calls it; unique. */
  name: string;
  address: string;
  user?: string;
  port?: number;
  identityFile?: string;
  sudo?: 'auto' | 'never' | 'required';
}

/** One setting with its type; all reads of the configuration go through these. */
class Setting<T> {
  constructor(
    readonly key: string,
    private readonly parse: (value: unknown) => T,
  ) {}

  get value(): T {
    return this.parse(workspace.getConfiguration('c10m').get(this.key));
  }

  async update(value: T): Promise<void> {
    await workspace.getConfiguration('c10m').update(this.key, value, ConfigurationTarget.Global);
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

/** What is not a host is left out: a typing error in settings.json must not take the other hosts away. */
export function parseHosts(value: unknown): SavedHost[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown): SavedHost[] => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { name, address, user, port, identityFile, sudo } = entry as Record<string, unknown>;
    if (typeof name !== 'string' || name === '' || typeof address !== 'string' || address === '') return [];
    return [
      {
        name,
        address,
        ...(typeof user === 'string' && user !== '' ? { user } : {}),
        ...(typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? { port } : {}),
        ...(typeof identityFile === 'string' && identityFile !== '' ? { identityFile } : {}),
        ...(sudo === 'auto' || sudo === 'never' || sudo === 'required' ? { sudo } : {}),
      },
    ];
  });
}
