import { HumanError } from '../core/errors.js';

/** One argument for a POSIX shell. The only way anything enters a shell's text. */
export function shellQuoted(text: string): string {
  if (text.includes('\0')) throw new HumanError('A string with a zero byte cannot be passed to a shell.');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * A command as the login shell of an account gets it: `sh -c '…'`. That shell may be fish or csh, which read a backslash, an
 * exclamation mark or a line feed inside quotes in their own ways, so a command that has one is refused here: longer
 * scripts go to `sh` over its standard input.
 */
export function loginShellCommand(script: string): string {
  if (/[\\!\n\0]/.test(script.replaceAll(`'\\''`, ''))) {
    throw new HumanError('This path on the host holds a character that not every login shell can be given.', {
      remedy: 'Use an account whose home directory has a plain name.',
    });
  }
  return `sh -c ${shellQuoted(script)}`;
}
