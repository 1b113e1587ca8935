import { fieldDescription, withoutMarks } from '../core/fieldTexts.js';
import { fieldTable, type SchemaShape, unwrapped } from '../core/specInput.js';
import type { SpecField, SpecFlag, SpecGroup, SpecMember } from '../protocol/specField.js';
import type { OptionAbout } from './commandList.js';

/** An option that sets a field of the run spec. */
export interface SpecOption extends OptionAbout {
  /** The key of the field in a RunSpec. */
  field: string;
  /** It sets only this member of the field's object. */
  member?: string;
  group: SpecGroup;
}

/** The options that describe a run, by their names, from the list of fields. */
export const specOptions: Readonly<Record<string, SpecOption>> = Object.fromEntries(
  Object.entries(fieldTable).flatMap(([key, about]): [string, SpecOption][] => {
    const { flag, notation, choices, group } = about;
    const shape = unwrapped(about.schema);
    const own: [string, SpecOption][] =
      flag === undefined
        ? []
        : [
            [
              flag.name,
              {
                field: key,
                group,
                ...optionOf(flag, shape.type, notation?.form),
                description: described(about),
                ...(choices && { choices: Object.keys(choices) }),
              },
            ],
          ];
    return [...own, ...Object.entries(about.members ?? {}).flatMap(([member, inner]) => memberOption(key, group, member, inner, shape))];
  }),
);

/** The option of a member of an object. */
function memberOption(
  field: string,
  group: SpecGroup,
  member: string,
  { flag, description = '', notation }: SpecMember,
  shape: SchemaShape,
): [string, SpecOption][] {
  if (flag === undefined) return [];
  const inner = shape.entries?.[member];
  return [
    [
      flag.name,
      { field, member, group, ...optionOf(flag, inner === undefined ? '' : unwrapped(inner).type, notation?.form), description: withoutMarks(description) },
    ],
  ];
}

function optionOf(flag: SpecFlag, type: string, form: string | undefined): Omit<OptionAbout, 'description'> {
  return {
    many: type === 'array',
    ...(flag.short === undefined ? {} : { short: flag.short }),
    ...(type === 'boolean' || flag.isSwitch === true ? {} : { value: flag.value ?? form ?? 'VALUE' }),
    ...(flag.completes === undefined ? {} : { completes: flag.completes }),
  };
}

/** The example of the editor is part of the sentence here. */
function described(about: SpecField): string {
  const words = withoutMarks(fieldDescription(about));
  return about.example === undefined || words.includes(about.example) ? words : `${words} Example: ${about.example}`;
}
