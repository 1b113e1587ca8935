import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyFileNames, type ServerTls } from '../../protocol/tls.js';

/** The run's certificate and key as files that only the login may read, for a server of the user. Whoever makes them removes them. */
export class KeyFiles {
  readonly certificatePath: string;
  readonly keyPath: string;

  constructor(directory: string, { certificate, key }: Pick<ServerTls, 'certificate' | 'key'>) {
    this.certificatePath = join(directory, keyFileNames.certificate);
    this.keyPath = join(directory, keyFileNames.key);
    this.remove();
    writeFileSync(this.certificatePath, certificate, { mode: 0o600, flag: 'wx' });
    writeFileSync(this.keyPath, key, { mode: 0o600, flag: 'wx' });
  }

  /** How the user's server learns of them. */
  get environment(): Record<string, string> {
    return { C10M_TLS_CERTIFICATE: this.certificatePath, C10M_TLS_KEY: this.keyPath };
  }

  remove(): void {
    for (const path of [this.certificatePath, this.keyPath]) rmSync(path, { force: true });
  }
}
