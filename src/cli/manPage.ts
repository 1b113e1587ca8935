import { version } from '../core/version.js';
import { type CommandAbout, commandList, type OptionAbout } from './commandList.js';
import { exitCodeMeanings } from './exitCodeMeanings.js';
import { groupTitles, optionForm, optionsOf, optionText } from './help.js';
import type { SpecGroup } from '../protocol/specField.js';

/** `c10m man`: the manual page in the macros of man(7), from the lists that help is made from. */
export function manPage(): string {
  const commands = Object.entries(commandList as Readonly<Record<string, CommandAbout>>);
  return [
    `.TH C10M 1 "" "C10M ${escape(version())}" "User Commands"`,
    '.SH NAME',
    'c10m \\- how many connections a Linux host can hold, what each costs, and what stops the next one',
    '.SH SYNOPSIS',
    ...commands.flatMap(([name, { operands }]) => ['.B c10m', escape(`${name} ${operands}`.trimEnd()), '.br']),
    ...commands.flatMap(([name, about]) => commandSection(name, about)),
    '.SH EXIT STATUS',
    ...Object.entries(exitCodeMeanings).flatMap(([code, text]) => ['.TP', `.B ${code}`, escape(text)]),
    '',
  ].join('\n');
}

function commandSection(name: string, about: CommandAbout): string[] {
  const actions = Object.entries(about.actions ?? {}).flatMap(([action, { operands, summary }]) => [
    '.TP',
    `.B ${escape(`c10m ${name} ${action} ${operands}`.trimEnd())}`,
    escape(summary),
  ]);
  const groups = about.describesRun === true ? (Object.keys(groupTitles) as SpecGroup[]) : [];
  return [
    `.SH ${name.toUpperCase()}`,
    escape(about.summary),
    ...actions,
    ...groups.flatMap((group) => [`.SS ${escape(groupTitles[group])}`, ...optionEntries(optionsOf(group))]),
    ...(Object.keys(about.options).length === 0 ? [] : ['.SS Options', ...optionEntries(about.options)]),
    ...(about.notes ?? []).flatMap((note) => ['.PP', escape(note)]),
  ];
}

function optionEntries(options: Readonly<Record<string, OptionAbout>>): string[] {
  return Object.entries(options).flatMap(([name, option]) => ['.TP', `.B ${escape(optionForm(name, option))}`, escape(optionText(option))]);
}

/** Backslashes and hyphens as they are typed; a line that begins with a dot or an apostrophe would be a request. */
function escape(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&');
}
