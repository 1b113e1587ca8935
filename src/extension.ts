import type { ExtensionContext } from 'vscode';
import { createExtension } from './vscode/compose.js';

/**
 * Only composes; nothing is read, written or reached before the user asks for it or a run of this window must be taken up again.
 * Returns what that took of this process, for the test that bounds it.
 */
export function activate(context: ExtensionContext): { activationCpuMs: number } {
  const began = process.cpuUsage();
  createExtension(context);
  const { user, system } = process.cpuUsage(began);
  return { activationCpuMs: (user + system) / 1_000 };
}
