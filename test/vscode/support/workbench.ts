import type { FrameLocator, Locator, Page } from 'playwright-core';

/** The workbench's own markup, in one place: the same selectors hold for VS Code 1.104 to 1.139. */
export const selectors = {
  workbench: '.monaco-workbench',
  quickInput: '.quick-input-widget',
  quickInputBox: '.quick-input-widget input[type=text], .quick-input-widget input[type=password]',
  quickPickRow: '.quick-input-widget .monaco-list-row',
  treeRow: '.sidebar .monaco-list-row[role=treeitem]',
  statusBarItem: '.statusbar-item',
  activityBarItem: '.activitybar .action-label',
  notification: '.notification-toast',
  dialog: '.monaco-dialog-box',
  webviewFrame: 'iframe.webview.ready',
  innerFrame: 'iframe#active-frame',
  editorTab: '.tabs-container .tab',
} as const;

/** Whether it goes away within a second. */
function isGone(locator: Locator, state: 'detached' | 'hidden'): Promise<boolean> {
  return locator.waitFor({ state, timeout: 1_000 }).then(
    () => true,
    () => false,
  );
}

/** What a user does in the workbench. Every wait has playwright's time limit. */
export class Workbench {
  constructor(readonly page: Page) {}

  /** Opens the address and waits until commands can be run. */
  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.ready();
  }

  async ready(): Promise<void> {
    await this.page.locator(selectors.workbench).waitFor({ timeout: 60_000 });
    await this.page.locator(selectors.statusBarItem).first().waitFor({ timeout: 60_000 });
  }

  /** The same window again, as "Developer: Reload Window" does it. Memento writes need a moment before. */
  async reload(): Promise<void> {
    await this.page.waitForTimeout(1_500);
    await this.page.reload();
    await this.ready();
  }

  /** Runs a command by its exact title, such as `C10M: Start C10M run`. Waits until the palette offers it: an extension may still be starting. */
  async runCommand(title: string): Promise<void> {
    const row = this.page.locator(selectors.quickPickRow).filter({ hasText: title }).first();
    const deadline = Date.now() + 40_000;
    for (;;) {
      await this.page.keyboard.press('F1');
      try {
        // A webview that is just coming up may swallow the key.
        await this.page.locator(selectors.quickInputBox).first().fill(`>${title}`, { timeout: 3_000 });
        await row.waitFor({ timeout: 4_000 });
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await this.page.keyboard.press('Escape');
      }
    }
    await row.click();
  }

  /** Opens a file of the workspace by its name. */
  async openFile(name: string): Promise<void> {
    const box = this.page.locator(selectors.quickInputBox).first();
    // An editor that is just coming up or going away may swallow the key.
    for (let attempt = 0; attempt < 5; attempt++) {
      await this.page.keyboard.press('Control+P');
      if (
        await box.waitFor({ timeout: 3_000 }).then(
          () => true,
          () => false,
        )
      )
        break;
    }
    await box.fill(name);
    await this.pick(name);
    await this.page.locator(selectors.editorTab).filter({ hasText: name }).waitFor();
  }

  /** Chooses the row of an open quick pick whose text holds `text`. */
  async pick(text: string | RegExp): Promise<void> {
    await this.page.locator(selectors.quickPickRow).filter({ hasText: text }).first().click();
  }

  /** Types into an open input box and accepts it. */
  async answer(text: string): Promise<void> {
    const box = this.page.locator(selectors.quickInputBox).first();
    await box.fill(text);
    await box.press('Enter');
  }

  /** The title of the open quick input, to wait for a step. */
  quickInputTitled(title: string | RegExp): Locator {
    return this.page.locator(selectors.quickInput).filter({ hasText: title });
  }

  /** Chooses a colour theme by its label, such as `Dark Modern` or `Dark High Contrast`. A theme named in settings.json may come late. */
  async chooseTheme(label: string): Promise<void> {
    await this.runCommand('Preferences: Color Theme');
    // The box of the palette is the same element: only its placeholder tells that the list of themes has come.
    const box = this.page.locator('.quick-input-widget input[placeholder*="Theme"]').first();
    await box.fill(label);
    await box.press('Enter');
    await this.page.locator(selectors.quickInput).waitFor({ state: 'hidden' });
  }

  /** Opens a view container, such as `C10M`, by its name in the activity bar. */
  async openContainer(name: string): Promise<void> {
    const item = this.page.locator(`${selectors.activityBarItem}[aria-label^="${name}"]`).first();
    await item.waitFor({ timeout: 40_000 });
    const title = this.page.locator('.sidebar .composite.title').filter({ hasText: name });
    const isShown = () =>
      title.waitFor({ timeout: 3_000 }).then(
        () => true,
        () => false,
      );
    // A reloaded workbench may still be opening the container by itself: a click would then close it. The second click opens it again.
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await isShown()) return;
      // While a run goes on it has a badge, which takes the click as it would take a person's.
      await item.locator('..').click();
    }
  }

  /** Milliseconds that the workbench says it took to load and activate an extension in this window. */
  async activationMs(name: string): Promise<number> {
    await this.runCommand('Developer: Show Running Extensions');
    const row = this.page.locator('.runtime-extensions-editor .extension').filter({ has: this.page.locator('.name', { hasText: name }) });
    const text =
      (await row
        .locator('.activation-time')
        .filter({ hasText: /\d+\s*ms/ })
        .first()
        .textContent({ timeout: 20_000 })) ?? '';
    const match = /(\d+)\s*ms/.exec(text);
    if (match === null) throw new Error(`The workbench tells no activation time of ${name}: "${text}"`);
    await this.runCommand('View: Close Editor');
    return Number(match[1]);
  }

  /** A row of a tree by its text. Trees are virtual: only rows on screen exist. */
  treeRow(text: string | RegExp): Locator {
    return this.page.locator(selectors.treeRow).filter({ hasText: text });
  }

  /** Chooses an entry of the context menu of a row. */
  async chooseInMenu(row: Locator, entry: string): Promise<void> {
    await row.click({ button: 'right' });
    const menu = this.page.locator('.monaco-menu');
    // A menu ignores what is pressed while it comes up.
    for (let attempt = 0; attempt < 4; attempt++) {
      await menu.locator('.action-item').filter({ hasText: entry }).first().click();
      if (await isGone(menu, 'detached')) return;
    }
    throw new Error(`The menu stays open after "${entry}" was chosen.`);
  }

  /** Answers the dialog for a folder, known by its title, with the workspace or a folder in it. */
  async chooseFolder(title: string, accept: string, folder?: string): Promise<void> {
    const dialog = this.quickInputTitled(title);
    await dialog.waitFor();
    // What is typed while the dialog still looks around is mixed up with what it writes into its box: a row is pressed instead.
    await this.page.locator(selectors.quickPickRow).filter({ hasText: '..' }).first().waitFor();
    if (folder !== undefined) {
      await this.pick(folder);
      await this.page.locator(selectors.quickPickRow).filter({ hasText: folder }).waitFor({ state: 'detached' });
    }
    // It ignores its button until it knows the folder.
    for (let attempt = 0; attempt < 5; attempt++) {
      await this.page.waitForTimeout(300);
      await dialog.getByRole('button', { name: accept, exact: true }).click();
      if (await isGone(dialog, 'hidden')) return;
    }
    throw new Error(`The dialog "${title}" stays open.`);
  }

  statusBarItem(text: string | RegExp): Locator {
    return this.page.locator(selectors.statusBarItem).filter({ hasText: text });
  }

  notification(text: string | RegExp): Locator {
    return this.page.locator(selectors.notification).filter({ hasText: text });
  }

  /** Waits for a message in the notification centre (with the smoke-test driver on, toasts are not shown) and presses its button. */
  async inNotificationCenter(text: string | RegExp, button?: string): Promise<void> {
    await this.runCommand('Notifications: Show Notifications');
    const item = this.page.locator('.notifications-center .monaco-list-row').filter({ hasText: text }).first();
    await item.waitFor();
    if (button !== undefined) {
      // Beside the badge that it has while a run goes on.
      await item.click({ position: { x: 6, y: 6 } });
      await item.getByRole('button', { name: button }).click();
    }
    await this.page.keyboard.press('Escape');
  }

  dialog(): Locator {
    return this.page.locator(selectors.dialog);
  }

  /** Presses a button of the open modal dialog. */
  async pressInDialog(button: string): Promise<void> {
    await this.dialog().getByRole('button', { name: button }).click();
  }

  /** The document inside the visible webview. */
  webview(): FrameLocator {
    return this.page.locator(selectors.webviewFrame).last().contentFrame().locator(selectors.innerFrame).contentFrame();
  }
}
