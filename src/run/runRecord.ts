import { HumanError } from '../core/errors.js';
import { judgedSummary, type RunEnd, SummaryBuilder } from '../core/figures/summary.js';
import { advance } from '../core/phases.js';
import { type ModelChange, newModel, phaseOf, type RunModel, type RunNotice } from '../core/run/model.js';
import { RunFold } from '../core/run/runFold.js';
import type { RunRecording } from '../history/recording.js';
import type { Phase, RunEvent, RunEventBody, Summary } from '../protocol/events.js';
import type { SampleColumns } from '../protocol/panel.js';
import type { RunSpec } from '../protocol/spec.js';

export type RunListener = (event: RunEvent | RunNotice, change: ModelChange) => void;

/** What is known of a run: each event goes into its model, onto the disk, and to those who listen, once. */
export class RunRecord {
  private readonly fold: RunFold;
  private recording: RunRecording | undefined;
  private readonly builder = new SummaryBuilder();
  private readonly listeners = new Set<RunListener>();

  constructor(
    id: string,
    private readonly spec: RunSpec,
    /** When the run began, by `performance.now()`: for events that are made here. */
    private beganAtMs = performance.now(),
  ) {
    this.fold = new RunFold(newModel(id, spec));
  }

  get model(): RunModel {
    return this.fold.model;
  }

  /** The samples as columns: a copy. */
  sampleColumns(): SampleColumns {
    return this.fold.samples.snapshot();
  }

  /** Since the run began, by the clock of this machine. */
  get elapsedSeconds(): number {
    return (performance.now() - this.beganAtMs) / 1_000;
  }

  /** Returns the way to stop listening. */
  onEvent(listener: RunListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** From now on events are saved. `startedAt` (ISO 8601): of a run that began before, in another window. */
  saveIn(recording: RunRecording, startedAt?: string): void {
    this.recording = recording;
    if (startedAt !== undefined) this.beganAtMs = performance.now() - (Date.now() - Date.parse(startedAt));
  }

  /** An event as a host, or the disk, has it. What was seen already is passed over. */
  accept(received: RunEvent | RunNotice): void {
    const event = received.type === 'summary' ? { ...received, summary: judgedSummary(received.summary, this.spec) } : received;
    const change = this.fold.observeEvent(event);
    if (change === undefined) return;
    if ('seq' in event) {
      this.builder.observeEvent(event);
      this.recording?.append(event);
    } else if (event.type === 'unseen') this.recording?.end(event.summary);
    for (const listener of this.listeners) listener(event, change);
    const problem = this.recording?.problem;
    if (event.type !== 'saving' && problem !== this.model.unsaved) this.accept({ type: 'saving', problem });
  }

  /** An event of a run over several hosts, which are numbered and timed here. */
  emit(body: RunEventBody): RunEvent {
    const { lastSequence, elapsedMs } = this.model;
    // The clock of this machine may have been set back while no window followed the run.
    const event = { ...body, seq: lastSequence + 1, t: Math.max(elapsedMs, performance.now() - this.beganAtMs) } as RunEvent;
    this.accept(event);
    return event;
  }

  enter(phase: Phase, detail?: string): void {
    advance(phaseOf(this.model), phase);
    this.emit({ type: 'phase', phase, ...(detail === undefined ? {} : { detail }) });
  }

  summarise(end: RunEnd): Summary {
    return this.builder.build(end);
  }

  /** The end of a run whose hosts were lost for good: what is known is saved, as incomplete, and `resume` goes on from there. */
  endUnseen(end: Pick<RunEnd, 'verdict' | 'reason' | 'keys' | 'most'>): Summary {
    const summary = this.summarise({ ...end, hostRestored: false, endSeen: false });
    this.accept({ type: 'unseen', summary });
    return summary;
  }

  close(): void {
    this.recording?.close(this.fold);
  }

  /** Removes what was written of a run of which nothing is known. */
  discardIfEmpty(): void {
    if (this.model.lastSequence === 0) this.recording?.discard();
  }
}

/** What is wrong with a run that has ended and is not on the disk; undefined: it is. */
export function notSaved({ model, directory }: { model: RunModel; directory: string }): HumanError | undefined {
  if (model.unsaved === undefined) return undefined;
  return new HumanError(`The run is not saved completely in ${directory}: ${model.unsaved}.`, {
    remedy: `The host keeps all of it, as one of the last that nobody fetched. With room on this disk, fetch it with: c10m runs follow ${model.runId}`,
  });
}
