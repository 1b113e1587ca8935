import type { BaseIssue } from 'valibot';
import { fieldTable, writtenPath } from './specInput.js';
import { formatFigure } from './units.js';

/** What is wrong with a value, as one sentence that names the field as people write it. */
export function issueText(keys: readonly (string | number)[], issue: BaseIssue<unknown>, value: unknown): string {
  const path = writtenPath(keys);
  const unit = typeof value === 'number' && String(keys.at(-1)).endsWith('Seconds') ? ' s' : '';
  const shown = `${JSON.stringify(value ?? issue.input)}${unit}`;
  const mustBe = keys.length === 1 && Object.hasOwn(fieldTable, keys[0]!) ? fieldTable[keys[0]!]?.mustBe : undefined;
  if (mustBe !== undefined) return `${path} is ${shown}, but must be ${mustBe}.`;
  if (issue.type === 'picklist') return `${path} is ${shown}, but must be one of: ${(issue.expected ?? '').replaceAll(/[()"]/g, '').replaceAll(' | ', ', ')}.`;
  if (issue.type === 'strict_object' && issue.expected === 'never') return `"${path}" is not a field of a run.`;
  if (issue.type === 'strict_object' && issue.expected !== 'Object') return `"${path}" is missing.`;
  const bound = 'requirement' in issue && typeof issue.requirement === 'number' ? `${formatFigure(issue.requirement, 3)}${unit}` : undefined;
  if (bound !== undefined && issue.type === 'min_value') return `${path} is ${shown}, but must be at least ${bound}.`;
  if (bound !== undefined && issue.type === 'max_value') return `${path} is ${shown}, but must be at most ${bound}.`;
  if (issue.type === 'min_length') return `${path} must not be empty.`;
  if (bound !== undefined && issue.type === 'max_length') return `${path} is too long: at most ${bound} are allowed.`;
  if (issue.type === 'integer') return `${path} is ${shown}, but must be a whole number.`;
  if (issue.expected !== null && issue.kind === 'schema') return `${path} is ${shown}, but must be ${kindTitles[issue.expected] ?? issue.expected}.`;
  return `${path} is ${shown}, but ${issue.message}.`;
}

const kindTitles: Record<string, string> = { Array: 'a list', Object: 'an object', boolean: 'true or false', number: 'a number', string: 'a string' };
