import { randomInt } from 'node:crypto';

/**
 * A command for `sh -c` that prints a mark before `command` reads anything. The mark is computed by the far side, so that a shell that only
 * repeats its command line does not print it.
 */
export function provenCommand(command: string): { begin: string; mark: string } {
  const [left, right] = [randomInt(1_000_000_000), randomInt(1_000_000_000)];
  return { begin: `echo C10M-$((${left}+${right}))-RUNS; ${command}`, mark: `C10M-${left + right}-RUNS` };
}
