/** Timers by name, so that each exists once and all end together. */
export class Timers<Name extends string> {
  private readonly running = new Map<Name, NodeJS.Timeout>();

  /** Sets a timer, in the place of one of this name. What has arrived by then is taken in before `act` is called. */
  set(name: Name, delayMs: number, act: () => void): void {
    this.clear(name);
    const timer = setTimeout(() => {
      setImmediate(() => {
        if (this.running.get(name) !== timer) return;
        this.running.delete(name);
        act();
      });
    }, delayMs);
    this.running.set(name, timer);
  }

  has(name: Name): boolean {
    return this.running.has(name);
  }

  clear(name: Name): void {
    clearTimeout(this.running.get(name));
    this.running.delete(name);
  }

  clearAll(): void {
    for (const name of [...this.running.keys()]) this.clear(name);
  }
}
