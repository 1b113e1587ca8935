/**
 * What must be undone, in the order in which it was done: `end` undoes it in reverse, the last first. One undoing that fails
 * does not keep the others from being undone.
 */
export class Scope {
  private readonly undoings: (() => void | Promise<void>)[] = [];

  /** To be called as soon as there is something to undo. */
  defer(undo: () => void | Promise<void>): void {
    this.undoings.push(undo);
  }

  /** Undoes all that is deferred, also what is deferred meanwhile, each once. Never rejects: what fails is passed to `onFailure`. */
  async end(onFailure: (error: unknown) => void): Promise<void> {
    for (let undo = this.undoings.pop(); undo !== undefined; undo = this.undoings.pop()) {
      try {
        await undo();
      } catch (error) {
        onFailure(error);
      }
    }
  }
}
