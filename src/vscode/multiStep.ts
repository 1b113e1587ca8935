import { QuickInputButtons, window, type Disposable, type QuickPickItem } from 'vscode';

/** What a step gave: a value, the wish to go one step back, or the end of it all. */
export type StepResult<T> = { kind: 'value'; value: T } | { kind: 'back' } | { kind: 'cancelled' };

interface StepFrame {
  title: string;
  /** Counted from 1. */
  step: number;
  totalSteps: number;
}

/** One step of a series: choose among items. */
export function pickStep<T extends QuickPickItem>(
  frame: StepFrame,
  items: readonly T[],
  options: {
    placeholder: string;
    active?: T | undefined;
    /** The items for what was typed; absent: they stay, and typing filters them. An item that says what is wrong cannot be chosen (`isChoice`). */
    compose?: (value: string) => readonly T[];
    value?: string;
    isChoice?: (item: T) => boolean;
  },
): Promise<StepResult<T>> {
  const input = window.createQuickPick<T>();
  Object.assign(input, frame, { placeholder: options.placeholder, matchOnDescription: true, matchOnDetail: true, ignoreFocusOut: true });
  input.items = items;
  if (options.active !== undefined) input.activeItems = [options.active];
  if (frame.step > 1) input.buttons = [QuickInputButtons.Back];
  if (options.value !== undefined) input.value = options.value;
  const { compose, isChoice = () => true } = options;
  if (options.value !== undefined && items[0] !== undefined) input.activeItems = [items[0]];
  return new Promise((resolve) => {
    const end = (result: StepResult<T>): void => {
      for (const subscription of subscriptions) subscription.dispose();
      input.dispose();
      resolve(result);
    };
    const subscriptions: Disposable[] = [
      input.onDidChangeValue((value) => {
        if (compose === undefined) return;
        const items = compose(value);
        input.items = items;
        // VS Code sorts by how well a label fits what was typed; the first of ours is what was meant.
        const [first] = items.filter((item) => item.alwaysShow === true);
        if (first !== undefined) input.activeItems = [first];
      }),
      input.onDidAccept(() => {
        // What was typed right before Enter counts, also where its event is still on its way.
        const items = compose?.(input.value) ?? [];
        const item = input.selectedItems.find(({ label }) => compose === undefined || items.some((one) => one.label === label)) ?? items[0];
        if (item !== undefined && isChoice(item)) end({ kind: 'value', value: item });
      }),
      input.onDidTriggerButton((button) => button === QuickInputButtons.Back && end({ kind: 'back' })),
      input.onDidHide(() => end({ kind: 'cancelled' })),
    ];
    input.show();
  });
}

/** One step of a series: type a value. `validate` returns what is wrong, or undefined. */
export function inputStep(
  frame: StepFrame,
  options: { prompt: string; value: string; placeholder?: string; validate(value: string): string | undefined },
): Promise<StepResult<string>> {
  const input = window.createInputBox();
  Object.assign(input, frame, { prompt: options.prompt, value: options.value, placeholder: options.placeholder, ignoreFocusOut: true });
  if (frame.step > 1) input.buttons = [QuickInputButtons.Back];
  return new Promise((resolve) => {
    const end = (result: StepResult<string>): void => {
      for (const subscription of subscriptions) subscription.dispose();
      input.dispose();
      resolve(result);
    };
    const subscriptions: Disposable[] = [
      input.onDidChangeValue((value) => {
        input.validationMessage = options.validate(value);
      }),
      input.onDidAccept(() => {
        const problem = options.validate(input.value);
        input.validationMessage = problem;
        if (problem === undefined) end({ kind: 'value', value: input.value.trim() });
      }),
      input.onDidTriggerButton((button) => button === QuickInputButtons.Back && end({ kind: 'back' })),
      input.onDidHide(() => end({ kind: 'cancelled' })),
    ];
    input.show();
  });
}

/**
 * Runs steps one after the other; a step that answers `back` leads to the one before. Each step puts what it learned where the
 * next ones look. Resolves to false when the user gave up.
 */
export async function runSteps(steps: readonly (() => Promise<StepResult<unknown>>)[]): Promise<boolean> {
  let index = 0;
  while (index < steps.length) {
    const result = await steps[index]!();
    if (result.kind === 'cancelled') return false;
    index += result.kind === 'back' ? -1 : 1;
    if (index < 0) return false;
  }
  return true;
}

/** A step that only passes on what another step gave. */
export function keep<T>(result: StepResult<T>, store: (value: T) => void): StepResult<T> {
  if (result.kind === 'value') store(result.value);
  return result;
}
