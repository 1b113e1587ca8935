import { HumanError } from '../core/errors.js';

function oneOf<T extends string>(name: string, choices: readonly T[], value: string | undefined): T | undefined {
  if (value === undefined) return undefined;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw new HumanError(`--${name} is "${value}", but must be one of: ${choices.join(', ')}.`, { code: 'usage' });
  return choice;
}

type SudoChoice = 'auto' | 'never' | 'required';

export function sudoOf(value: string | undefined): SudoChoice | undefined {
  return oneOf('sudo', ['auto', 'never', 'required'] as const, value);
}

export function provisionOf(value: string | undefined): 'ask' | 'always' | 'never' | undefined {
  return oneOf('provision-node', ['ask', 'always', 'never'] as const, value);
}
