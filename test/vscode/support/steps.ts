import { screenshot, type Window } from './browser.js';

/** A part of a scenario; the next one builds on it, so a failure ends the whole, with a picture of the window. */
export async function step(window: Window, name: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    await screenshot(window.page, `failed-${name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}`);
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
