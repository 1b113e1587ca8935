import { writeFileSync } from 'node:fs';
import { HumanError, messageOf } from '../core/errors.js';
import { formatCount, formatKilobytesPerEnd } from '../core/units.js';
import { unreadableText } from '../history/exchange.js';
import { compareSaved, reportSaved } from '../history/savedComparison.js';
import type { ReportFormat } from '../history/report.js';
import { RunStore } from '../history/store.js';
import { metricIds, reportWorse } from './baseline.js';
import { compareText } from './compareText.js';
import { defaultRunsDirectory } from './environment.js';
import { verdictWord } from '../core/verdict.js';
import { followSaved } from './followSaved.js';
import { parseCommand } from './options.js';
import { summaryText } from './summaryText.js';
import { table } from './table.js';
import { print, printError } from './output.js';

/** `c10m runs list|show|follow|compare|export|import|remove`. */
export async function runs(args: string[]): Promise<number> {
  const { values, positionals } = parseCommand('runs', args);
  const [action = 'list', ...names] = positionals;
  const store = new RunStore(values.runs ?? defaultRunsDirectory());
  const one = () => {
    if (names.length !== 1)
      throw new HumanError(`c10m runs ${action} takes one run, but got ${names.length}.`, { code: 'usage', remedy: 'Help: c10m runs --help' });
    return names[0]!;
  };
  switch (action) {
    case 'list':
      print(values.json === true ? `${JSON.stringify(store.list())}\n` : listText(store));
      break;
    case 'show': {
      const id = store.resolve(one());
      const run = store.read(id);
      print(
        values.json === true ? `${JSON.stringify(run)}\n` : summaryText({ summary: run.summary, spec: run.spec, runId: id, plan: run.plan }, store.pathOf(id)),
      );
      const { unreadableLines } = await store.eachEvent(id, () => undefined);
      if (unreadableLines > 0) reportNotes([unreadableText(unreadableLines)]);
      break;
    }
    case 'follow':
      return followSaved(one(), values, store);
    case 'compare': {
      if (names.length < 2) throw new HumanError('c10m runs compare takes two runs or more.', { code: 'usage', remedy: 'Help: c10m runs --help' });
      const { comparison, notes } = await compareSaved(
        store,
        names.map((name) => store.resolve(name)),
      );
      const metrics = metricIds(values.metric);
      print(values.json === true ? `${JSON.stringify(comparison)}\n` : compareText(comparison));
      reportNotes(notes);
      if (values['fail-on-worse'] === true) return reportWorse(comparison, metrics);
      break;
    }
    case 'export': {
      await exportRuns(store, names, values.format ?? 'directory', values.output);
      break;
    }
    case 'import':
      await importRun(store, one());
      break;
    case 'remove': {
      const id = store.resolve(one());
      store.remove(id);
      print(`${id} is removed.\n`);
      break;
    }
    default:
      throw new HumanError(`"${action}" is not an action of c10m runs.`, {
        code: 'usage',
        remedy: 'Actions: list, show, follow, compare, export, import, remove. Help: c10m runs --help',
      });
  }
  return 0;
}

async function importRun(store: RunStore, directory: string): Promise<void> {
  const { id, notes } = await store.importDirectory(directory);
  print(`${id}\n`);
  reportNotes(notes);
}

/** What is missing goes to stderr: the output may be read by a program. */
function reportNotes(notes: readonly string[]): void {
  for (const note of notes) printError(`c10m: ${note}\n`);
}

/** Writes a report of one or several runs, or copies the directory of one. Never overwrites. */
async function exportRuns(store: RunStore, names: readonly string[], format: ReportFormat | 'directory', output: string | undefined): Promise<void> {
  const ids = names.map((name) => store.resolve(name));
  if (ids.length === 0 || output === undefined)
    throw new HumanError('c10m runs export needs a run and --output PATH.', { code: 'usage', remedy: 'Help: c10m runs --help' });
  if (format === 'directory') {
    if (ids.length > 1) throw new HumanError('A directory is exported for one run at a time.', { code: 'usage' });
    await store.exportDirectory(ids[0]!, output);
  } else {
    const report = await reportSaved(store, format, ids);
    try {
      writeFileSync(output, report, { flag: 'wx' });
    } catch (error) {
      throw new HumanError(`${output} cannot be written: ${messageOf(error)}.`, {
        code: 'usage',
        remedy: 'Nothing was overwritten; choose another name.',
        cause: error,
      });
    }
  }
  print(`${output}\n`);
}

function listText(store: RunStore): string {
  const entries = store.list();
  if (entries.length === 0) return `No runs in ${store.directory} yet. Start one with: c10m run\n`;
  const rows = entries.map((entry) =>
    entry.state === 'unreadable'
      ? [entry.id, 'unreadable', entry.problem ?? '']
      : [
          entry.id,
          verdictWord(entry.result ?? 'incomplete'),
          entry.host,
          `${entry.established === undefined ? '–' : formatCount(entry.established)} of ${entry.connections === 'max' ? 'max' : formatCount(entry.connections)} ${entry.protocol}`,
          entry.engine,
          entry.bytesPerEnd === undefined ? '' : formatKilobytesPerEnd(entry.bytesPerEnd),
          entry.name ?? '',
        ],
  );
  return table([['run', 'result', 'host', 'established', 'engine', 'per end', 'name'], ...rows]);
}
