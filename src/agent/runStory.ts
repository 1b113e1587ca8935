import { advance } from '../core/phases.js';
import { SummaryBuilder, type RunEnd } from '../core/figures/summary.js';
import type { Phase, RunEvent, RunEventBody, Summary } from '../protocol/events.js';
import { Spool } from './spool.js';

/** What a run reports: each event goes to the spool first, then into the summary, then to those who follow. */
export class RunStory {
  readonly spool: Spool;
  private readonly builder = new SummaryBuilder();
  private current: Phase | undefined;
  private publish: (event: RunEvent) => void = () => undefined;

  constructor(spoolPath: string) {
    const beganAt = performance.now();
    this.spool = new Spool(
      spoolPath,
      () => performance.now() - beganAt,
      // Later: the spool is in the middle of an event.
      (reason) => setImmediate(() => this.log('warn', `The event log on the host cannot be written (${reason}); events are kept in memory for now.`)),
    );
  }

  /** Undefined before the first phase. */
  get phase(): Phase | undefined {
    return this.current;
  }

  followWith(publish: (event: RunEvent) => void): void {
    this.publish = publish;
  }

  emit(body: RunEventBody): RunEvent {
    const event = this.spool.append(body);
    this.builder.observeEvent(event);
    this.publish(event);
    return event;
  }

  enter(phase: Phase, detail?: string): void {
    this.current = advance(this.current, phase);
    this.emit({ type: 'phase', phase, ...(detail === undefined ? {} : { detail }) });
  }

  log(level: 'info' | 'warn' | 'error', text: string): void {
    this.emit({ type: 'log', level, text });
  }

  /** The summary as it would be with this end. */
  summarise(end: RunEnd): Summary {
    return this.builder.build(end);
  }
}
