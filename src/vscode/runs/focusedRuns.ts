import { commands } from 'vscode';
import type { RunItem, RunsTree, RunTreeElement } from './runsTree.js';

/** The argument with which the key bindings of the tree call a command. */
export const byKey = 'focused';

/**
 * The runs that a key is meant for: those that are selected if the focused one is among them, else the focused one alone, as in the explorer. VS Code
 * tells an extension the selection only; what is focused shows when it is selected too, or no more, which is undone at once.
 */
export async function focusedRuns(tree: RunsTree): Promise<RunItem[]> {
  const before = [...tree.view.selection];
  await commands.executeCommand('list.toggleSelection');
  const after = tree.view.selection;
  const added = after.filter((element) => !before.includes(element));
  await commands.executeCommand('list.toggleSelection');
  return (added.length > 0 ? added : before).filter(isRun);
}

export function isRun(element: RunTreeElement): element is RunItem {
  return 'id' in element;
}
