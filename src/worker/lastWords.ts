/** Connections of which the last words are kept until they end or others come. */
const rememberedConnections = 1_024;
const rememberedBytes = 160;

/** What servers said last on connections where nobody waited for it: perhaps why they are about to close. By descriptor or number of a connection. */
export class LastWords {
  private readonly words = new Map<number, Uint8Array>();

  remember(connection: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.words.size >= rememberedConnections) {
      const oldest = this.words.keys().next();
      if (oldest.done !== true) this.words.delete(oldest.value);
    }
    this.words.set(connection, Uint8Array.from(bytes.subarray(start, Math.min(end, start + rememberedBytes))));
  }

  of(connection: number): Uint8Array | undefined {
    return this.words.size === 0 ? undefined : this.words.get(connection);
  }

  forget(connection: number): void {
    if (this.words.size !== 0) this.words.delete(connection);
  }
}
