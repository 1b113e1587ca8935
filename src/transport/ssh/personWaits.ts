/** Nobody looks for a phone or a token for longer; a server ends a login after two minutes by default (LoginGraceTime). */
const personLimitMs = 300_000;
/** What is quicker needs no notice. */
const noticeMs = 1_500;

/**
 * Waits in which a person, a phone, a token or a vault acts. They are shown, can be cancelled, and end at a bound that is far longer than anybody
 * needs; the clocks that measure the network do not run meanwhile.
 */
export class PersonWaits {
  constructor(
    private readonly progress: (text: string) => void,
    /** For a wait that nobody would see otherwise. */
    private readonly inform: (text: string) => void,
  ) {}

  /** Shows at once, beside the question itself, that somebody is asked. */
  ask(what: string): void {
    this.progress(`Waiting for you: ${what}`);
  }

  /** Shows after a moment that `what` is waited for. `act` is given a signal that ends with `signal` and with the bound; rejects then. */
  async during<T>(what: string, signal: AbortSignal, act: (limited: AbortSignal) => Promise<T>, limitMs = personLimitMs): Promise<T> {
    const stop = this.begin(what);
    const limit = AbortSignal.timeout(limitMs);
    try {
      return await act(AbortSignal.any([signal, limit]));
    } catch (error) {
      if (limit.aborted && !signal.aborted) throw new Error(`no answer within ${limitMs / 1_000} s`, { cause: error });
      throw error;
    } finally {
      stop();
    }
  }

  /** As `during`, for what does not end by a promise: returns the end of the wait. `tooLong` is called at the bound. */
  begin(what: string, tooLong?: (limitMs: number) => void): () => void {
    const notice = setTimeout(() => this.inform(`Waiting for ${what}`), noticeMs);
    const bound = tooLong === undefined ? undefined : setTimeout(tooLong, personLimitMs, personLimitMs);
    return () => {
      clearTimeout(notice);
      clearTimeout(bound);
    };
  }
}
