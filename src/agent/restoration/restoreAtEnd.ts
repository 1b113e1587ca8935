import type { Scope } from '../../files/scope.js';
import { HeldNamespace } from '../../linux/netns.js';
import type { ProcessIdentity } from '../../linux/process.js';
import type { KeyOutcome } from '../../protocol/events.js';
import type { RunStory } from '../runStory.js';
import type { RunDirectory, RunState } from '../stateDirectory.js';
import { endRunProcesses, tuningEventOf } from './cleanup.js';
import { Journal } from './journal.js';
import type { SysctlFiles } from '../../linux/sysctlFiles.js';

/** What came of restoring the host; absent where it failed. */
export interface Restored {
  /** In memory it is right even where a full disk did not take its last change. */
  journal?: Journal | undefined;
  keys?: KeyOutcome[];
  left?: ProcessIdentity[];
}

/** Deferred before anything is changed. What comes of it is in the result afterwards; what fails stays as not restored. */
export function restoreAtEnd(
  scope: Scope,
  run: RunDirectory,
  state: RunState,
  own: { mark: string; isolated: boolean },
  sysctls: SysctlFiles,
  story: RunStory,
): Restored {
  const restored: Restored = {};
  scope.defer(() => {
    const keys = (restored.journal ?? Journal.load(run.journalPath))?.restore(sysctls, state.bootId) ?? [];
    for (const key of keys) story.emit(tuningEventOf(key));
    restored.keys = keys;
  });
  scope.defer(async () => {
    story.enter('restoring');
    restored.left = (await endProcesses(state, own)).left;
    run.removeKeys();
  });
  return restored;
}

/** What the run still has besides its keepers: workers that hang, programs that a command left in the background. */
async function endProcesses(state: RunState, { mark, isolated }: { mark: string; isolated: boolean }): Promise<{ left: ProcessIdentity[] }> {
  const { supervisor, guardian, workers } = state;
  const keepers = [supervisor, guardian].filter((identity) => identity !== null);
  const namespace = isolated ? HeldNamespace.of('self') : undefined;
  try {
    return await endRunProcesses({ recorded: [...keepers, ...workers], namespace, mark }, keepers);
  } finally {
    namespace?.release();
  }
}
