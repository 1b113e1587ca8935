import type { Locator, Page } from 'playwright-core';

/** Counts what a user presses beside typed words. */
export class Keystrokes {
  count = 0;

  constructor(private readonly page: Page) {}

  async press(key: string): Promise<void> {
    this.count++;
    await this.page.keyboard.press(key);
  }

  /** Words, in place of what the box proposes. */
  async type(words: string): Promise<void> {
    const box = this.page.locator('.quick-input-widget input[type=text]').first();
    await box.waitFor();
    // The palette shows commands only behind this sign, which it brings along.
    const isPalette = (await box.inputValue()).startsWith('>');
    await box.fill(isPalette ? `>${words}` : words);
  }

  /** Enter, and what it leads to. */
  async enter(leadsTo: Locator, timeout = 40_000): Promise<void> {
    await this.press('Enter');
    await leadsTo.first().waitFor({ timeout });
  }
}
