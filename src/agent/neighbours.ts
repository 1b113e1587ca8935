import { readdirSync, readFileSync, statSync } from 'node:fs';

/** An agent's path is a few hundred bytes; arguments of others can be megabytes. */
const maximumArgumentBytes = 8_192;

/**
 * Pids of supervisors that other users run on this host. They share its memory and its global keys with ours, so its figures are not
 * ours alone. Anybody can look like one: this is for saying so, never for waiting or ending. Walks /proc once.
 */
export function findNeighbours(userId = process.getuid?.() ?? 0): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return statSync(`/proc/${pid}`).uid !== userId && isSupervisor(readFileSync(`/proc/${pid}/cmdline`, 'latin1').slice(0, maximumArgumentBytes));
      } catch {
        // It ended meanwhile, or may not be seen.
        return false;
      }
    });
}

/** `unshare … node …/agent.cjs supervise …` becomes the same process without its first words. */
function isSupervisor(commandLine: string): boolean {
  const words = commandLine.split('\0');
  return words[1]?.endsWith('/agent.cjs') === true && words[2] === 'supervise';
}
