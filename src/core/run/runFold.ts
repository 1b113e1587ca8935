import { rowOf, SampleColumnStore } from '../figures/sampleColumns.js';
import type { RunEvent } from '../../protocol/events.js';
import { type ModelChange, observeEvent, type RunModel, type RunNotice, withChange } from './model.js';

/**
 * A run as it is shown, from one event after the other: its model, and its samples as columns. Some 10 MB for twelve hours, and below 40 MB
 * however long it is.
 */
export class RunFold {
  readonly samples = new SampleColumnStore();

  constructor(private current: RunModel) {}

  get model(): RunModel {
    return this.current;
  }

  /** What an event changes; undefined: it was seen already. */
  observeEvent(event: RunEvent | RunNotice): ModelChange | undefined {
    const change = observeEvent(this.current, event);
    if (change === undefined) return undefined;
    this.current = withChange(this.current, change);
    if (event.type === 'sample') this.samples.append(rowOf(event));
    return change;
  }
}
