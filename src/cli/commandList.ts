import type { Completion } from '../protocol/specField.js';

/** An option that is not a field of the run spec. */
export interface OptionAbout {
  short?: string;
  /** Placeholder of its value; absent: a switch. */
  value?: string;
  /** It may be given several times. */
  many?: boolean;
  description: string;
  choices?: readonly string[];
  completes?: Completion;
}

interface ActionAbout {
  /** What follows the action, such as `NAME`. */
  operands: string;
  summary: string;
  completes?: Completion;
}

export interface CommandAbout {
  /** What follows the command in its usage line. */
  operands: string;
  summary: string;
  /** Its options include those of the run spec. */
  describesRun?: boolean;
  options: Readonly<Record<string, OptionAbout>>;
  /** First words behind the command, where it has them. */
  actions?: Readonly<Record<string, ActionAbout>>;
  completes?: Completion;
  notes?: readonly string[];
}

const json = (what: string) => ({ description: `Print ${what} as JSON and nothing else.` });
const runsDirectory = { value: 'DIR', description: 'Where runs are saved. Default: ~/.local/share/c10m/runs.', completes: 'directory' } as const;

/** How to reach a host. */
const reachOptions = {
  'accept-new': { description: 'Accept and remember the key of a host that is not known yet.' },
  sudo: { value: 'WHEN', description: 'Become root by sudo where the login is not root. Default: auto.', choices: ['auto', 'never', 'required'] },
  'provision-node': { value: 'WHEN', description: 'Bring Node.js to a host that has none. Default: ask.', choices: ['ask', 'always', 'never'] },
  verbose: { short: 'v', description: 'Print the log.' },
} as const satisfies Record<string, OptionAbout>;

/** The metrics by which runs are judged, checked where they are used. */
const metricOption = { value: 'ID', many: true, description: 'Judge only this metric, such as bytesPerEnd. Default: all of them.' } as const;

/**
 * The commands of `c10m` with their options. Parsing, help, manual and shell completion come from this list and from the
 * fields of the run spec; a new option is one entry here.
 */
export const commandList = {
  run: {
    operands: '[PROFILE.c10m.json] [options]',
    summary: 'open connections, hold them, account for every byte, restore the host',
    describesRun: true,
    completes: 'profile',
    options: {
      ...reachOptions,
      runs: runsDirectory,
      json: json('the events, one object a line,'),
      junit: { value: 'FILE', description: 'Write the thresholds as a JUnit file.', completes: 'file' },
      'metrics-file': { value: 'FILE', description: 'Rewrite FILE in OpenMetrics text once a second.', completes: 'file' },
      baseline: { value: 'RUN', description: 'Compare with this saved run at the end: exit code 99 when a metric is worse.', completes: 'run' },
      metric: metricOption,
      plain: { description: 'Print lines instead of a screen that is redrawn, as in a pipe.' },
      orders: { description: 'Read orders from standard input, one a line, each after the one before.' },
    },
    notes: [
      'While it runs in a terminal: q stop, + and - add or remove a tenth, b burst, x remove all, : any order.',
      'Orders: target N, add N, remove N, rate N|max, burst [MESSAGES [BYTES]], remove-all, stop, wait D|ramping|holding.',
    ],
  },
  check: {
    operands: '[PROFILE.c10m.json] [options]',
    summary: 'the plan, the walls and the largest run that fits; changes nothing',
    describesRun: true,
    completes: 'profile',
    options: { ...reachOptions, runs: runsDirectory, json: json('facts and plan') },
  },
  'compare-servers': {
    operands: 'PROFILE PROFILE… [options]',
    summary: 'run several servers in turn, and what each costs a connection',
    describesRun: true,
    completes: 'profile',
    options: {
      ...reachOptions,
      runs: runsDirectory,
      rounds: { value: 'N', description: 'How often each is run; figures are medians. Default: 3.' },
      json: json('the table'),
    },
    notes: ['Options of a run, such as --connections, hold for all profiles. Each run is saved.'],
  },
  host: {
    operands: 'ACTION [options]',
    summary: 'list, show, test and restore hosts',
    options: {
      ...reachOptions,
      runs: runsDirectory,
      json: json('the answer'),
      'dry-run': { description: 'With restore: show what would be restored; change nothing.' },
    },
    actions: {
      list: { operands: '', summary: 'saved hosts and the names of ~/.ssh/config' },
      add: { operands: 'NAME ADDRESS', summary: 'save user@name:port under a name' },
      remove: { operands: 'NAME', summary: 'forget a saved host', completes: 'host' },
      show: { operands: 'NAME', summary: 'what a name resolves to', completes: 'host' },
      test: { operands: 'NAME', summary: 'connect, probe, and the largest run that fits', completes: 'host' },
      servers: { operands: 'NAME', summary: 'servers that listen there, for --attach', completes: 'host' },
      runs: { operands: 'NAME', summary: 'runs that go on there, and those that ended and were not fetched', completes: 'host' },
      restore: { operands: 'NAME', summary: 'restore what a dead run left behind', completes: 'host' },
    },
  },
  runs: {
    operands: 'ACTION [options]',
    summary: 'list, show, follow, compare, export and import saved runs',
    options: {
      ...reachOptions,
      runs: runsDirectory,
      host: { value: 'NAME', description: 'With follow: the host of a run that was started elsewhere.', completes: 'host' },
      plain: { description: 'With follow: print lines instead of a screen that is redrawn.' },
      json: json('the answer'),
      format: { value: 'FORMAT', description: 'Of an export. Default: directory.', choices: ['directory', 'html', 'md', 'csv', 'json'] },
      output: { short: 'o', value: 'PATH', description: 'Where an export is written.', completes: 'file' },
      'fail-on-worse': { description: 'With compare: exit code 99 when a metric is worse than in the first run.' },
      metric: metricOption,
    },
    actions: {
      list: { operands: '', summary: 'all saved runs' },
      show: { operands: 'ID', summary: 'the summary of a run', completes: 'run' },
      follow: { operands: 'ID [--host NAME]', summary: 'follow a run that goes on, or fetch the end of one; q or Ctrl-C stops it', completes: 'run' },
      compare: { operands: 'ID ID…', summary: 'what differs, and by how much', completes: 'run' },
      export: { operands: 'ID --output PATH', summary: 'a run as a directory, or a report', completes: 'run' },
      import: { operands: 'DIRECTORY', summary: 'take in an exported run', completes: 'directory' },
      remove: { operands: 'ID', summary: 'delete a run', completes: 'run' },
    },
    notes: ['ID is an id, its unique beginning or end, or "last".'],
  },
} as const satisfies Record<string, CommandAbout>;

export type CommandName = keyof typeof commandList;
type OptionsOf<C extends CommandName> = (typeof commandList)[C]['options'];

type ValueOf<O> = O extends { value: string } ? (O extends { choices: readonly (infer T)[] } ? T : O extends { many: true } ? string[] : string) : boolean;

/** What was given for the options of a command, those of the run spec aside. */
export type CommandValues<C extends CommandName> = {
  -readonly [K in keyof OptionsOf<C>]?: ValueOf<OptionsOf<C>[K]>;
};
