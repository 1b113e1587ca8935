import type { Disposable } from 'vscode';

/** Owns disposables and ends them last first. What is added after the end is ended at once. */
export class DisposableStore {
  private readonly owned: Disposable[] = [];
  private ended = false;

  add<T extends Disposable>(disposable: T): T {
    if (this.ended) disposable.dispose();
    else this.owned.push(disposable);
    return disposable;
  }

  dispose(): void {
    this.ended = true;
    for (let disposable = this.owned.pop(); disposable !== undefined; disposable = this.owned.pop()) disposable.dispose();
  }
}
