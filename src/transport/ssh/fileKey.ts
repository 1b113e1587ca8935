import type { KeyFileFacts } from './keyFile.js';
import type { PersonWaits } from './personWaits.js';
import { readPrivateKey, type PrivateKey } from './privateKey.js';
import type { Secrets } from './secrets.js';
import type { SshSettings } from './settings.js';

export interface IdentitySources {
  secrets: Secrets;
  log: (line: string) => void;
  waits: PersonWaits;
  signal: AbortSignal;
}

/** A key file, or the public half of one whose private half only an agent has. */
export interface KeyFile {
  path: string;
  /** Empty where only the public half is there. */
  text: string;
  facts: KeyFileFacts;
  publicKey: Buffer | undefined;
}

/** As OpenSSH (NumberOfPasswordPrompts is for passwords only). */
const maximumAttempts = 3;

/** The private key of a file; asks for its passphrase when it is needed first, and remembers the right one. */
export class FileKey {
  private given: Promise<PrivateKey> | undefined;

  constructor(
    private readonly file: KeyFile,
    private readonly settings: SshSettings,
    private readonly sources: IdentitySources,
    private readonly problems: string[],
  ) {}

  /** Rejects when the key stays locked; why is then among the problems. */
  unlocked(): Promise<PrivateKey> {
    this.given ??= this.unlock();
    return this.given;
  }

  private async unlock(): Promise<PrivateKey> {
    const { file, settings } = this;
    const { secrets, signal } = this.sources;
    const memoryKey = `passphrase ${file.path}`;
    const known = file.facts.encrypted ? secrets.recall(memoryKey) : undefined;
    if (!file.facts.encrypted || known !== undefined) {
      const result = readPrivateKey(file.text, known);
      if (result.kind === 'key') return result.key;
      // The file was changed meanwhile: its passphrase is asked for anew.
      if (result.kind === 'wrongPassphrase') secrets.forget(memoryKey);
      else return this.fail(`the key file ${file.path} cannot be used: ${result.why}`);
    }
    if (settings.batchMode) return this.fail(`the key file ${file.path} is encrypted, and BatchMode forbids to ask for its passphrase`);
    for (let attempt = 1; attempt <= maximumAttempts; attempt++) {
      const passphrase = await secrets.ask(
        {
          title: attempt === 1 ? `Key for ${settings.name}` : 'The passphrase was wrong',
          prompt: `Passphrase of the key ${file.path}`,
          kind: 'passphrase',
          echo: false,
        },
        signal,
      );
      if (passphrase === undefined || passphrase === '') {
        const before = attempt === 1 ? '' : ' after a wrong one';
        return this.fail(`the key file ${file.path} is encrypted and its passphrase was not given${before}`);
      }
      const result = readPrivateKey(file.text, passphrase);
      if (result.kind === 'key') {
        secrets.remember(memoryKey, passphrase);
        return result.key;
      }
      if (result.kind === 'unreadable') return this.fail(`the key file ${file.path} cannot be used: ${result.why}`);
    }
    return this.fail(`the key file ${file.path} is encrypted and its passphrase was wrong ${maximumAttempts} times`);
  }

  private fail(problem: string): never {
    this.problems.push(problem);
    throw new Error(problem);
  }
}
