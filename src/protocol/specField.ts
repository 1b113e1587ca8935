import type { GenericSchema } from 'valibot';
import type { Notation } from './notation.js';

/** A value inside a spec: how people write its key and the value. */
export interface SpecMember {
  /** Absent: only profiles have it. */
  flag?: SpecFlag;
  /** Its short name for people, such as `hold` for `holdSeconds`; both are accepted. */
  key?: string;
  notation?: Notation;
  /** One sentence, for members of an object; those of a list are described together. */
  description?: string;
  /** Of an object, or of the objects of a list: those members that are written in another way than they are sent, or have a flag of their own. */
  members?: Readonly<Record<string, SpecMember>>;
}

/** Headings under which help and manual list the fields. */
export type SpecGroup = 'host' | 'connections' | 'server' | 'tls' | 'load' | 'verdict';

/** What completes a value in a shell. */
export type Completion = 'host' | 'run' | 'file' | 'directory' | 'profile' | 'command';

/** An option of the command line that sets a field. Its value is read like the one of a profile. */
export interface SpecFlag {
  /** Without the dashes. */
  name: string;
  short?: string;
  /** It stands alone, although the field is no boolean: it switches an object on. */
  isSwitch?: true;
  /** Placeholder of its value in the help; absent: the form of the notation, the choices, or none for a boolean. */
  value?: string;
  completes?: Completion;
}

/** All that is known of one field of a run spec. */
export interface SpecField<S extends GenericSchema = GenericSchema> extends SpecMember {
  schema: S;
  group: SpecGroup;
  /** Two or three words, for a dialog or a column. */
  title: string;
  /** One or two sentences for help, manual, editor and dialog; names of values between backticks. */
  description: string;
  /** Values of a picklist, each with a few words. */
  choices?: Readonly<Record<string, string>>;
  /** What a wrong value must be instead, where the schema alone would say it badly. */
  mustBe?: string;
  /** A value as people write it. */
  example?: string;
  /** Where the schema has no default: what a person need not write. A function sees what else was written. */
  whenOmitted?: unknown;
  /** The field has an effect only with these values of another one; without `values` only when that one is set. */
  only?: { field: string; values?: readonly string[] };
  /** The start dialog asks for it; its texts are translated. */
  inDialog?: true;
}

/** One entry of the list, with the exact type of its schema. */
export function field<S extends GenericSchema>(schema: S, about: Omit<SpecField, 'schema'>): SpecField<S> {
  return { ...about, schema };
}
