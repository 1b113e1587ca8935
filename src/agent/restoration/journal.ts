import * as v from 'valibot';
import { HumanError, messageOf } from '../../core/errors.js';
import { sameValue, sysctlDefinitions } from '../../core/plan/sysctls.js';
import { keyOutcomeSchema, type KeyOutcome } from '../../protocol/events.js';
import { replaceFile } from '../../files/durableFile.js';
import { readOwnFile } from '../ownFile.js';
import type { SysctlFiles } from '../../linux/sysctlFiles.js';

/** Some thirty keys with their values. */
const maximumFileBytes = 256 * 1024;

/** What is read from a journal is written to the kernel, with root's rights: only keys of ours, and only numbers. */
const keySchema = v.picklist(sysctlDefinitions.map(({ key }) => key));
const valueSchema = v.pipe(v.string(), v.maxLength(4_096), v.regex(/^[0-9 \t,-]*$/));

const journalSchema = v.object({
  runId: v.string(),
  bootId: v.string(),
  entries: v.array(v.object({ key: keySchema, original: valueSchema, ours: valueSchema })),
  /** How each key ended; absent while the host is not restored. */
  outcomes: v.optional(v.array(keyOutcomeSchema)),
});
type JournalContent = v.InferOutput<typeof journalSchema>;
export type JournalEntry = JournalContent['entries'][number];

/**
 * The write-ahead journal of global keys: it is on the disk (file and directory fsynced) before the first key is written, so
 * whoever comes later can put everything back.
 */
export class Journal {
  private constructor(
    private readonly path: string,
    private content: JournalContent,
  ) {}

  /** Throws when the disk does not take it; then no key may be written. */
  static create(path: string, runId: string, bootId: string, entries: JournalEntry[]): Journal {
    const journal = new Journal(path, { runId, bootId, entries });
    journal.save();
    return journal;
  }

  /** Undefined when the run changed no global key. Throws a HumanError when it did and what it changed cannot be known. */
  static load(path: string): Journal | undefined {
    try {
      return new Journal(path, v.parse(journalSchema, JSON.parse(readOwnFile(path, maximumFileBytes))));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new HumanError(`The journal ${path} cannot be understood (${messageOf(cause)}), so which keys its run changed is not known; none was touched.`, {
        code: 'notRestored',
        remedy: 'Compare the keys with what this host should have (sysctl --system sets the configured ones again), then remove the file.',
        cause,
      });
    }
  }

  get entries(): readonly JournalEntry[] {
    return this.content.entries;
  }
  get bootId(): string {
    return this.content.bootId;
  }
  get outcomes(): readonly KeyOutcome[] | undefined {
    return this.content.outcomes;
  }
  /** False while a key may still hold our value. A refused key keeps it open, so that a later `restore` tries again. */
  get isClosed(): boolean {
    return this.content.outcomes?.every((outcome) => outcome.outcome !== 'refused') ?? false;
  }

  /** The kernel kept another value than the one that was written (it rounds some): that one is ours. */
  recordHeld(key: string, held: string): void {
    const entry = this.content.entries.find((candidate) => candidate.key === key);
    if (entry === undefined || sameValue(key, entry.ours, held)) return;
    entry.ours = held;
    this.trySave();
  }

  /** The kernel refused the write: the key was never ours. */
  forget(key: string): void {
    this.content.entries = this.content.entries.filter((entry) => entry.key !== key);
    this.trySave();
  }

  /**
   * Puts the originals back, last key first, only where a key still holds our value. Safe to repeat. A journal of an earlier
   * boot is closed without writing: the reboot itself has put everything back. Keys that a living run has raised since (`inUse`)
   * count as refused: that run puts our value back first.
   */
  restore(sysctls: SysctlFiles, bootId: string, inUse: ReadonlySet<string> = new Set()): KeyOutcome[] {
    if (this.content.outcomes !== undefined && this.isClosed) return [...this.content.outcomes];
    const outcomes = [...this.content.entries].reverse().map((entry): KeyOutcome => {
      if (!inUse.has(entry.key)) return restoreKey(entry, sysctls, this.content.bootId === bootId);
      return { key: entry.key, original: entry.original, ours: entry.ours, now: sysctls.read(entry.key) ?? null, outcome: 'refused' };
    });
    this.content.outcomes = outcomes;
    this.trySave();
    return outcomes;
  }

  /** For changes that a full disk may keep off it: restoring from the older content does no harm, it only says less. */
  private trySave(): void {
    try {
      this.save();
    } catch {
      // As said above.
    }
  }

  private save(): void {
    replaceFile(this.path, JSON.stringify(this.content));
  }
}

function restoreKey(entry: JournalEntry, sysctls: SysctlFiles, sameBoot: boolean): KeyOutcome {
  const now = sysctls.read(entry.key) ?? null;
  const base = { key: entry.key, original: entry.original, ours: entry.ours };
  if (!sameBoot || (now !== null && sameValue(entry.key, now, entry.original))) return { ...base, now, outcome: 'restored' };
  if (now === null || !sameValue(entry.key, now, entry.ours)) return { ...base, now, outcome: 'changedByOthers' };
  try {
    sysctls.write(entry.key, entry.original);
  } catch {
    return { ...base, now: sysctls.read(entry.key) ?? null, outcome: 'refused' };
  }
  const held = sysctls.read(entry.key) ?? null;
  return { ...base, now: held, outcome: held !== null && sameValue(entry.key, held, entry.original) ? 'restored' : 'refused' };
}
