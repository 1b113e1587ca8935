import { savingText, wallText } from '../core/figures/resultTexts.js';
import { orderText } from '../core/orderText.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../core/units.js';
import type { RunHandle } from '../run/runHandle.js';
import { print } from './output.js';

/** What a run shows while it goes on. */
export interface RunView {
  /** What is being done before the first event: connecting, deploying. */
  progress(text: string): void;
  begin(controller: RunHandle, stop: () => void): void;
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

  begin(controller: RunHandle): void {
    controller.onEvent((event) => {
      const line = this.lineOf(controller, event);
      if (line !== undefined) print(`${line}\n`);
    });
  }

  end(): void {
    // Nothing to put back.
  }

  private lineOf(controller: RunHandle, event: Parameters<Parameters<RunHandle['onEvent']>[0]>[0]): string | undefined {
    switch (event.type) {
      case 'link':
        return controller.state.linkLost === undefined ? 'The link is back.' : `The link is lost (${controller.state.linkLost}); the run goes on without us.`;
      case 'saving':
        return savingText(controller.state.unsaved);
      case 'phase':
        return `${event.phase}${event.detail === undefined ? '' : `: ${event.detail}`}`;
      case 'wall':
        return `wall: ${wallText(event.wall)}`;
      case 'log':
        return event.level === 'debug' ? undefined : `${event.level}: ${event.text}`;
      case 'plan':
        return event.plan.notes.map((note) => `note: ${note}`).join('\n') || undefined;
      case 'order':
        return event.state === 'accepted' ? undefined : orderText(event);
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
