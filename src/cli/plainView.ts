import { savingText } from '../core/figures/resultTexts.js';
import { entryText } from '../core/run/line.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../core/units.js';
import type { Run } from '../run/run.js';
import type { RunListener } from '../run/runRecord.js';
import { print } from './output.js';

/** What a run shows while it goes on. */
export interface RunView {
  /** What is being done before the first event: connecting, deploying. */
  progress(text: string): void;
  begin(run: Run, stop: () => void): void;
  /** Puts the terminal back; may be called more than once. */
  end(): void;
}

/** One line now and then, for pipes and logs. */
const secondsBetweenLines = 2;

export class PlainView implements RunView {
  private lastAt = 0;

  progress(text: string): void {
    print(`${text}\n`);
  }

  begin(run: Run): void {
    run.onEvent((event, { line }) => {
      const isPassedOver = line === undefined || line.level === 'debug' || (event.type === 'order' && event.state === 'accepted') || event.type === 'summary';
      const text = this.textOf(event) ?? (isPassedOver ? undefined : entryText(line));
      if (text !== undefined) print(`${text}\n`);
    });
  }

  end(): void {
    // Nothing to put back.
  }

  /** What is shown beside the list of events, or instead of its line. */
  private textOf(event: Parameters<RunListener>[0]): string | undefined {
    switch (event.type) {
      case 'link':
        return event.lost === undefined ? 'The link is back.' : `The link is lost (${event.lost}); the run goes on without us.`;
      case 'saving':
        return savingText(event.problem);
      case 'plan':
        return (
          [...(event.reason === undefined ? [] : [`The run was planned anew: ${event.reason}`]), ...event.plan.notes.map((note) => `note: ${note}`)].join(
            '\n',
          ) || undefined
        );
      case 'sample': {
        if (event.t - this.lastAt < secondsBetweenLines * 1000 && event.seq !== 1) return undefined;
        this.lastAt = event.t;
        const { established, target, connectRate, ledger, memory, failed } = event;
        return `  ${formatCount(established.server)} server, ${formatCount(established.client)} client of ${formatCount(target)}, ${formatRate(connectRate)}, ${formatKilobytesPerEnd(ledger.bytesPerEnd)} per end, ${formatBytes(memory.availableBytes)} left${failed.total === 0 ? '' : `, ${formatCount(failed.total)} failed`}`;
      }
      default:
        return undefined;
    }
  }
}
