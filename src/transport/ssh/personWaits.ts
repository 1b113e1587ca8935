/** Nobody looks for a phone or a token for longer; a server ends a login after two minutes by default (LoginGraceTime). */
const personLimitMs = 300_000;
/** What is quicker needs no notice. */
const noticeMs = 1_500;

/**
 * Waits in which a person, a phone, a token or a vault acts. They are shown, can be cancelled, and end at a bound that is far longer than anybody
 * needs; the clocks that measure the network do not run meanwhile.
 */
export class PersonWaits {
  private readonly begun = new Set<{ start(): void; stop(): void }>();
  private acting = 0;

  constructor(
    private readonly progress: (text: string) => void,
    /** For a wait that nobody would see otherwise. */
    private readonly inform: (text: string) => void,
  ) {}

  /** Shows at once, beside the question itself, that somebody is asked. */
  ask(what: string): void {
    this.progress(`Waiting for you: ${what}`);
  }

  /** Runs `act`, in which a person or something of theirs acts: what else is waited for is neither shown nor bounded meanwhile. */
  async whilePersonActs<T>(act: () => Promise<T>): Promise<T> {
    this.acting++;
    for (const wait of this.begun) wait.stop();
    try {
      return await act();
    } finally {
      if (--this.acting === 0) for (const wait of this.begun) wait.start();
    }
  }

  /** Shows after a moment that `what` is waited for. `act` is given a signal that ends with `signal` and with the bound; rejects then. */
  async during<T>(what: string, signal: AbortSignal, act: (limited: AbortSignal) => Promise<T>, limitMs = personLimitMs): Promise<T> {
    const notice = setTimeout(() => this.inform(`Waiting for ${what}`), noticeMs);
    const limit = AbortSignal.timeout(limitMs);
    try {
      return await this.whilePersonActs(() => act(AbortSignal.any([signal, limit])));
    } catch (error) {
      if (limit.aborted && !signal.aborted) throw new Error(`no answer within ${limitMs / 1_000} s`, { cause: error });
      throw error;
    } finally {
      clearTimeout(notice);
    }
  }

  /** As `during`, for what does not end by a promise: returns the end of the wait. `tooLong` is called at the bound. */
  begin(what: string, tooLong: (limitMs: number) => void): () => void {
    let notice: NodeJS.Timeout | undefined;
    let bound: NodeJS.Timeout | undefined;
    const wait = {
      start: () => {
        wait.stop();
        notice = setTimeout(() => this.inform(`Waiting for ${what}`), noticeMs);
        bound = setTimeout(tooLong, personLimitMs, personLimitMs);
      },
      stop: () => {
        clearTimeout(notice);
        clearTimeout(bound);
      },
    };
    this.begun.add(wait);
    if (this.acting === 0) wait.start();
    return () => {
      wait.stop();
      this.begun.delete(wait);
    };
  }
}
