import { CancellationTokenSource, l10n, window } from 'vscode';
import { messageText } from '../../core/foreignText.js';
import type { KeptSecrets } from './keptSecrets.js';
import type { ConfirmQuestion, HostKeyQuestion, Prompts, SecretQuestion } from '../../transport/transport.js';
import { askModal } from '../messages.js';

/** How the transport asks in VS Code. Secrets are kept only when the user says so, in SecretStorage and nowhere else. */
export function vscodePrompts(host: string, secrets: KeptSecrets): Prompts {
  /** Secrets that this connection was already given from storage: a second question means that they were wrong. */
  const offered = new Set<string>();
  return {
    confirmHostKey: (question, signal) => unlessTakenBack(confirmHostKey(question), signal, false),
    secret: (question, signal) => askSecret(host, secrets, offered, question, signal),
    confirm: (question, signal) => unlessTakenBack(confirm(question), signal, false),
  };
}

async function confirmHostKey(question: HostKeyQuestion): Promise<boolean> {
  const accept = l10n.t('Trust and Connect');
  const detail = [
    l10n.t('{0} port {1} presents a key that is not in known_hosts.', question.address, question.port),
    `${question.keyType}\n${question.fingerprint}`,
    ...(question.note === undefined ? [] : [question.note]),
    l10n.t('Compare the fingerprint with the one that the owner of the host gives you. Nothing was sent to the host so far.'),
  ].join('\n\n');
  const choice = await askModal(l10n.t('Do you trust the host {0}?', question.name), { detail }, accept);
  return choice === accept;
}

async function confirm(question: ConfirmQuestion): Promise<boolean> {
  return (await askModal(question.title, { detail: question.detail }, question.accept)) === question.accept;
}

/** A modal dialog cannot be closed by us: its answer no longer counts. */
function unlessTakenBack<T>(answer: Promise<T>, signal: AbortSignal, refusal: T): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => resolve(refusal), { once: true });
    answer.then(resolve, reject);
  });
}

async function askSecret(host: string, secrets: KeptSecrets, offered: Set<string>, question: SecretQuestion, signal: AbortSignal): Promise<string | undefined> {
  // The prompt names the account or the key file, so that two keys of one host do not share a secret.
  const name = `${question.kind}:${question.prompt}`;
  const storable = question.kind !== 'answer';
  if (storable && !offered.has(name)) {
    offered.add(name);
    const stored = await secrets.get(host, name);
    if (stored !== undefined) return stored;
  } else if (storable) {
    // It was offered and refused: a wrong secret must not be kept.
    await secrets.drop(host, name);
  }
  const takenBack = new CancellationTokenSource();
  const onAbort = () => takenBack.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  const said = question.said === undefined ? '' : ` (${l10n.t('the host says: {0}', question.said)})`;
  const options = { title: messageText(question.title), prompt: messageText(question.prompt + said), password: !question.echo, ignoreFocusOut: true };
  const value = await window.showInputBox(options, takenBack.token);
  signal.removeEventListener('abort', onAbort);
  takenBack.dispose();
  if (value === undefined || !storable || value === '') return value;
  const keep = l10n.t('Remember');
  const once = l10n.t('Only This Time');
  const choice = await window.showQuickPick([once, keep], {
    title: messageText(question.title),
    placeHolder: l10n.t("Keep it in VS Code's secret storage?"),
    ignoreFocusOut: true,
  });
  if (choice === keep) await secrets.keep(host, name, value);
  return value;
}
