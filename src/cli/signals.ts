import { exitCodes } from '../core/errors.js';
import { phaseOf } from '../core/run/model.js';
import type { Run } from '../run/run.js';
import { printError } from './output.js';

type StoppedRun = Pick<Run, 'id' | 'spec' | 'model' | 'links'>;

/** Ctrl-C, SIGTERM and SIGHUP stop the run, which drains and restores; a second one says what is left, a third one leaves it. Returns the way to let go of them. */
export function followSignals(run: StoppedRun, abort: AbortController): () => void {
  let count = 0;
  const onSignal = () => {
    count++;
    if (count === 1) abort.abort();
    else if (count === 2) printError(`\nc10m: ${remainsText(run)}\n`);
    else process.exit(exitCodes.interrupted);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
  };
}

/** What of a run that is being stopped is still on its hosts, and what ends it. */
export function remainsText({ id, spec, model, links }: StoppedRun): string {
  if (links.length === 0) return 'Nothing was started on any host.';
  const parts = links.map(({ name, state }) => {
    switch (state.is) {
      case 'following':
        return `${name} has the stop: the run there is ${phaseOf(model) ?? 'starting'}, drains, and restores the host.`;
      case 'ended':
        return state.end.is === 'seen' ? `${name} has ended its part.` : `Nothing is known to run on ${name}.`;
      case 'connecting':
      case 'lost':
      case 'released':
        return `${name} is out of reach: what runs there goes on until its lease ends it and restores the host, ${spec.leaseSeconds} s after the last sign of life.`;
    }
  });
  return [...parts, `Ctrl-C once more leaves now; the hosts then end what is left in the same way. Its end can be fetched with: c10m runs follow ${id}`].join(
    ' ',
  );
}
