import type { ExtensionContext } from 'vscode';
import { createExtension } from './vscode/compose.js';

/** Only composes; nothing is read, written or reached before the user asks for it or a run of this window must be taken up again. */
export function activate(context: ExtensionContext): void {
  createExtension(context);
}
