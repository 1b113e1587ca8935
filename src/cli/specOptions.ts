import { fieldDescription, withoutMarks } from '../core/fieldTexts.js';
import { fieldTable, unwrapped } from '../core/specInput.js';
import type { SpecField, SpecGroup } from '../protocol/specField.js';
import type { OptionAbout } from './commandList.js';

/** An option that sets a field of the run spec. */
export interface SpecOption extends OptionAbout {
  /** The key of the field in a RunSpec. */
  field: string;
  group: SpecGroup;
}

/** The options that describe a run, by their names, from the list of fields. */
export const specOptions: Readonly<Record<string, SpecOption>> = Object.fromEntries(
  Object.entries(fieldTable).flatMap(([key, about]): [string, SpecOption][] => {
    const { flag, notation, choices, group } = about;
    if (flag === undefined) return [];
    const type = unwrapped(about.schema).type;
    const option: SpecOption = {
      field: key,
      group,
      description: described(about),
      many: type === 'array',
      ...(flag.short === undefined ? {} : { short: flag.short }),
      ...(type === 'boolean' ? {} : { value: flag.value ?? notation?.form ?? 'VALUE' }),
      ...(choices === undefined ? {} : { choices: Object.keys(choices) }),
      ...(flag.completes === undefined ? {} : { completes: flag.completes }),
    };
    return [[flag.name, option]];
  }),
);

/** The example of the editor is part of the sentence here. */
function described(about: SpecField): string {
  const words = withoutMarks(fieldDescription(about));
  return about.example === undefined || words.includes(about.example) ? words : `${words} Example: ${about.example}`;
}
