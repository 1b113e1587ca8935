import { randomBytes } from 'node:crypto';
import { boundedLine } from '../core/foreignText.js';
import { stat } from 'node:fs/promises';
import { HumanError } from '../core/errors.js';
import type { DeployOptions } from './deploy.js';
import { discardUploadScript, installNodeScript, parseValues, prepareUploadScript } from './hostScripts.js';
import type { HostShell } from './hostShell.js';
import { provisionedDirectory, type ProvisionedNode } from './nodeDownload.js';

/**
 * Brings the archive of a Node to a host, unpacks and verifies it there, and puts it in its place in one step.
 * Returns the path of the program. The host itself needs no way to the internet.
 */
export async function installNode(
  shell: HostShell,
  node: ProvisionedNode,
  archive: string,
  base: string,
  { name, log, progress }: DeployOptions,
): Promise<string> {
  const temporary = `${base}/.upload-${randomBytes(8).toString('hex')}`;
  const prepared = await shell.run(prepareUploadScript(base, temporary, []));
  if (parseValues(prepared.stdout)['done'] !== 'yes') throw notInstalled(name, base, prepared.stderr);
  const { size } = await stat(archive);
  try {
    let shown = -1;
    await shell.upload([{ from: archive, to: `${temporary}/node.tgz`, bytes: size }], (bytes) => {
      const tenth = Math.floor((10 * bytes) / size);
      if (tenth !== shown) progress(`Bringing Node ${node.version} to ${name}: ${10 * (shown = tenth)} %`);
    });
    const directory = provisionedDirectory(node);
    const installed = await shell.run(installNodeScript(base, temporary, directory, node.nodeSha256));
    const values = parseValues(installed.stdout);
    if (values['done'] !== 'yes') throw notInstalled(name, base, values['problem'] ?? installed.stderr);
    log(`${name}: Node ${node.version} installed in ${base}/${directory}`);
    return `${base}/${directory}/node`;
  } catch (error) {
    await shell.run(discardUploadScript(temporary)).catch(() => undefined);
    throw error;
  }
}

function notInstalled(name: string, base: string, why: string): HumanError {
  return new HumanError(`Node could not be installed in ${base} on ${name}: ${boundedLine(why.trim(), 300) || 'no reason was given'}. Nothing of it is used.`, {
    code: 'unsupported',
    remedy: 'Check the free space there (180 MB are needed), or install Node on the host.',
  });
}
