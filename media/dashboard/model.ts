import { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import { maximumPanelEntries, type PanelDelta, type PanelEntry, type PanelRun, type PanelSnapshot } from '../../src/protocol/panel.js';

/** What the panel knows of its run: the snapshot, kept up to date by deltas. */
export class DashboardModel {
  run: PanelRun;
  samples: SampleColumnStore;
  entries: PanelEntry[];
  /** Counts changes, so that parts can tell whether to draw again. */
  revision = 0;

  constructor(snapshot: PanelSnapshot) {
    this.run = snapshot.run;
    this.samples = new SampleColumnStore(snapshot.samples);
    this.entries = snapshot.entries;
  }

  apply(delta: PanelDelta): void {
    for (const row of delta.rows) this.samples.append(row);
    this.run = { ...this.run, ...delta.run };
    if (delta.entries.length > 0) this.entries = [...this.entries, ...delta.entries].slice(-maximumPanelEntries);
    this.revision++;
  }
}
