import ssh2, { type ParsedKey } from 'ssh2';
import type { SignatureHash } from './privateKey.js';

type SignCallback = (error?: Error, signature?: Buffer) => void;

/** An agent in ssh2's sense that knows one key. */
export class OneKeyAgent extends ssh2.BaseAgent {
  constructor(
    /** Rejects when the key cannot be had: then nothing is offered. */
    private readonly offer: () => Promise<ParsedKey>,
    /** `hash`: for RSA. */
    private readonly signWith: (data: Buffer, hash: SignatureHash) => Promise<Buffer>,
  ) {
    super();
  }

  override getIdentities(callback: (error: Error | undefined, keys?: (ParsedKey | Buffer)[]) => void): void {
    void this.offer().then(
      (key) => callback(undefined, [key]),
      () => callback(undefined, []),
    );
  }

  override sign(_key: unknown, data: Buffer, options: unknown, callback?: unknown): void {
    const hash = typeof options === 'function' ? undefined : (options as { hash?: SignatureHash } | undefined)?.hash;
    const done = (typeof options === 'function' ? options : callback) as SignCallback;
    void this.signWith(data, hash ?? 'sha1').then(
      (signature) => done(undefined, signature),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }
}
