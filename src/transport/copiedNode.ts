import { HumanError } from '../core/errors.js';
import { boundedLine } from '../core/foreignText.js';
import type { DeployOptions } from './deploy.js';
import { copyNodeScript, parseValues } from './hostScripts.js';
import type { HostShell } from './hostShell.js';

/** Below the directory of the agent. */
export const copiedNodeDirectory = 'node-copy';

/** Where a copy is in the directory for the agent. */
export function copiedNodeIn(base: string): string {
  return `${base}/${copiedNodeDirectory}/node`;
}

/** Copies a Node of the host to a place that root can reach. Returns its path. Throws a HumanError `unsupported`. */
export async function copyNode(shell: HostShell, node: string, base: string, { name, log, progress }: DeployOptions): Promise<string> {
  progress(`Copying Node on ${name} to where root can run it`);
  const result = await shell.run(copyNodeScript(node, base, copiedNodeDirectory));
  const values = parseValues(result.stdout);
  if (values['done'] !== 'yes') {
    throw new HumanError(`${node} on ${name} could not be copied into ${base}: ${boundedLine(result.stderr.trim(), 300) || 'no reason was given'}.`, {
      code: 'unsupported',
      remedy: 'Make room there (120 MB), or install Node outside of the home directory.',
    });
  }
  log(`${name}: ${node} was copied to ${base}/${copiedNodeDirectory}, where root can run it`);
  return copiedNodeIn(base);
}
