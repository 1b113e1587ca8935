import { env, type LogOutputChannel } from 'vscode';
import { HostPool } from '../../run/hostPool.js';
import type { ConnectOptions } from '../../transport/transport.js';
import type { HostRegistry } from './hostRegistry.js';
import type { KeptSecrets } from './keptSecrets.js';
import { vscodePrompts } from './prompts.js';
import { settings } from '../settings.js';

/** The hosts of this window, reached with VS Code's dialogs, log and settings: one login and one question for each. */
export function vscodePool(
  payloadDirectory: string,
  registry: HostRegistry,
  secrets: KeptSecrets,
  texts: Readonly<Record<string, string>>,
  log: LogOutputChannel,
): HostPool {
  return new HostPool(async (target, { signal, progress }) => {
    const saved = registry.find(target);
    const options: ConnectOptions = {
      payloadDirectory,
      prompts: vscodePrompts(target, secrets),
      signal,
      log: (line) => log.debug(`${target}: ${line}`),
      progress: (text) => {
        log.info(`${target}: ${text}`);
        progress(text);
      },
      // In the log, and with the progress that is shown while somebody waits.
      inform: (text) => {
        log.info(text);
        progress(text);
      },
      sudo: saved?.sudo,
      identityFile: saved?.identityFile,
      provisionNode: settings.provisionNode.value,
      ...(settings.registry.value === '' ? {} : { registry: settings.registry.value }),
    };
    // Loaded only here: SSH is two thirds of the extension, and a window that starts needs none of it.
    const { connectHost, useTexts } = await import('../../transport/transport.js');
    useTexts(texts, env.language);
    return connectHost(target, options);
  });
}
