import type { SpecGroup } from '../protocol/specField.js';
import { type CommandAbout, commandList, type OptionAbout } from './commandList.js';
import { specOptions } from './specOptions.js';

const width = 100;
/** Where the text of an option begins. */
const indent = 28;

/** Headings of the help, in its order. */
export const groupTitles: Record<SpecGroup, string> = {
  connections: 'Connections',
  load: 'Load over time',
  server: 'Server',
  tls: 'TLS',
  host: 'Hosts',
  verdict: 'Verdict',
};

const commands: Readonly<Record<string, CommandAbout>> = commandList;

/** `c10m help`, or the help of one command. */
export function helpText(command: string | undefined): string {
  return command !== undefined && Object.hasOwn(commands, command) ? commandHelp(command, commands[command]!) : general();
}

function general(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `  c10m ${name}`.padEnd(18) + summary);
  return `c10m – how many connections can a Linux host hold, what does each cost, and what stops the next one?

${rows.join('\n')}
  c10m help COMMAND all options
  c10m completion S for the shell bash, zsh or fish: source <(c10m completion bash)
  c10m man          the manual page: c10m man | man -l -

Exit codes: 0 done, 98 target not reached, 99 a threshold failed or a metric got worse,
            64 bad usage, 69 host unreachable, 77 access refused,
            75 host not fully restored, 130 interrupted (restored first).
`;
}

function commandHelp(name: string, about: CommandAbout): string {
  const actions = Object.entries(about.actions ?? {}).map(([action, { operands, summary }]) =>
    entry(`c10m ${name} ${action} ${operands}`.trimEnd(), summary, 36),
  );
  const usage = actions.length > 0 ? actions.join('') : `c10m ${name} ${about.operands}\n\n${about.summary}\n`;
  const groups = about.describesRun === true ? (Object.keys(groupTitles) as SpecGroup[]).map((group) => section(groupTitles[group], optionsOf(group))) : [];
  const notes = (about.notes ?? []).map((note) => `${note}\n`).join('');
  return [usage, ...groups, section('Options', about.options), ...(notes === '' ? [] : [notes])].join('\n');
}

/** The options of one heading. */
export function optionsOf(group: SpecGroup): Record<string, OptionAbout> {
  return Object.fromEntries(Object.entries(specOptions).filter(([, option]) => option.group === group));
}

function section(title: string, options: Readonly<Record<string, OptionAbout>>): string {
  return `${title}:\n${Object.entries(options)
    .map(([name, option]) => entry(`  ${optionForm(name, option)}`, optionText(option), indent))
    .join('')}`;
}

/** The sentences about an option. Those of a spec field name its choices themselves. */
export function optionText(option: OptionAbout): string {
  const sentences = [option.description];
  if (option.choices !== undefined && !('field' in option)) sentences.push(`One of: ${option.choices.join(', ')}.`);
  if (option.many === true) sentences.push('May be given several times.');
  return sentences.join(' ');
}

/** `-c, --connections N`. */
export function optionForm(name: string, { short, value }: OptionAbout): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

/** A term and its text, wrapped between words beside it, or below it when it is long. */
function entry(term: string, words: string, column: number): string {
  const lines: string[] = [];
  let line = term.length < column - 1 ? term.padEnd(column) : `${term}\n${' '.repeat(column)}`;
  let used = column;
  for (const word of words.split(' ')) {
    if (used > column && used + word.length > width) {
      lines.push(line.trimEnd());
      line = ' '.repeat(column);
      used = column;
    }
    line += `${word} `;
    used += word.length + 1;
  }
  return `${[...lines, line.trimEnd()].join('\n')}\n`;
}
