import { duration } from '../protocol/notation.js';
import type { SpecField } from '../protocol/specField.js';
import { formatCount } from './units.js';

/** All that is said of a field: what it is, its choices, its default, and when it has an effect. Names of values are between backticks. */
export function fieldDescription(about: SpecField): string {
  const choices = Object.entries(about.choices ?? {}).map(([value, words]) => `\`${value}\` (${words})`);
  const sentences = [choices.length === 0 ? about.description : `${about.description.replace(/\.$/, '')}: ${choices.join(', ')}.`];
  const usual = defaultText(about);
  if (usual !== undefined) sentences.push(`Default: ${usual}.`);
  if (about.only !== undefined)
    sentences.push(`Only with ${[about.only.field, (about.only.values ?? []).map((value) => `\`${value}\``).join(' or ')].join(' ').trimEnd()}.`);
  return sentences.join(' ');
}

/** A description for a terminal. */
export function withoutMarks(markdown: string): string {
  return markdown.replaceAll('`', '');
}

/** What holds when the field is omitted, as people write it; undefined where nothing is set. */
function defaultText({ schema, whenOmitted, notation }: SpecField): string | undefined {
  const initial = 'default' in schema ? schema.default : undefined;
  const value = initial ?? (typeof whenOmitted === 'function' ? (whenOmitted as (written: object) => unknown)({}) : whenOmitted);
  if (typeof value === 'number' && notation === duration) return value % 60 === 0 && value > 0 ? `${value / 60}m` : `${value}s`;
  if (typeof value === 'number') return formatCount(value);
  return typeof value === 'string' ? `\`${value}\`` : undefined;
}
