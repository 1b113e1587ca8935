import { window } from 'vscode';
import { messageText } from '../core/foreignText.js';

interface ModalOptions {
  modal: true;
  detail?: string;
}

/**
 * Every message of the extension goes through here: VS Code makes links of `[text](address)` in messages, commands among them, and what a
 * host says is part of many. Resolves with the chosen button, undefined when the message was closed.
 */
export function showError(message: string, ...buttons: string[]): Thenable<string | undefined> {
  return window.showErrorMessage(messageText(message), ...buttons);
}

export function showWarning(message: string, ...buttons: string[]): Thenable<string | undefined> {
  return window.showWarningMessage(messageText(message), ...buttons);
}

export function showInformation(message: string, ...buttons: string[]): Thenable<string | undefined> {
  return window.showInformationMessage(messageText(message), ...buttons);
}

/** A question that waits for its answer. */
export function askModal(message: string, { detail }: Omit<ModalOptions, 'modal'>, ...buttons: string[]): Thenable<string | undefined> {
  const options: ModalOptions = { modal: true, ...(detail === undefined ? {} : { detail: messageText(detail) }) };
  return window.showWarningMessage(messageText(message), options, ...buttons);
}
