import { join } from 'node:path';
import { after, before } from 'node:test';
import type { Page } from 'playwright-core';
import { RunStore } from '../../../src/history/store.js';
import { openWindow, screenshot, type Window } from './browser.js';
import { developmentPayload, packedExtension, startCodeServer, type CodeServer, type CodeServerOptions } from './codeServer.js';
import { StateDirectory } from './stateDirectory.js';
import { Workbench } from './workbench.js';

export interface SessionOptions extends Pick<CodeServerOptions, 'files' | 'settings' | 'workspaceTrust'> {
  /** The packed VSIX, installed into a clean VS Code, instead of the extension as it lies in the checkout. */
  isPacked?: boolean;
  /** What the history holds before the first window opens. */
  prepare?: (store: RunStore) => void;
  /** The workbench is open when the first test begins; otherwise a test opens it. */
  isOpen?: boolean;
  /** Why the tests of this file cannot run here: then nothing is started. */
  skip?: string | false;
}

/**
 * VS Code with the extension, one browser window and a state directory of its own, for the tests of one file. Begins before the first of them
 * and ends after the last, however they end.
 */
export class Session {
  readonly state = new StateDirectory();
  private started: { server: CodeServer; window: Window; workbench: Workbench; store: RunStore } | undefined;

  constructor(private readonly options: SessionOptions = {}) {
    if (options.skip !== undefined && options.skip !== false) return;
    before(() => this.start());
    after(() => this.end());
  }

  get server(): CodeServer {
    return this.parts.server;
  }
  get window(): Window {
    return this.parts.window;
  }
  get workbench(): Workbench {
    return this.parts.workbench;
  }
  get page(): Page {
    return this.parts.window.page;
  }
  /** The runs of the extension. */
  get store(): RunStore {
    return this.parts.store;
  }

  /** Opens the workbench, or opens it anew. */
  async open(): Promise<void> {
    await this.workbench.open(this.options.isPacked === true ? this.server.url() : this.server.url(developmentPayload(this.server.port)));
  }

  /** A part of a scenario; the next one builds on it, so a failure ends the whole, with a picture of the window. */
  async step(name: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      await screenshot(this.page, `failed-${name.replace(/[^a-z0-9]+/gi, '-').toLowerCase()}`);
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  private get parts(): NonNullable<Session['started']> {
    if (this.started === undefined) throw new Error('The session has not begun: VS Code or the browser did not start.');
    return this.started;
  }

  private async start(): Promise<void> {
    const { isPacked = false, prepare, files, settings, workspaceTrust } = this.options;
    const server = await startCodeServer({
      environment: this.state.environment,
      ...(isPacked ? { vsix: packedExtension() } : {}),
      ...(files === undefined ? {} : { files }),
      ...(settings === undefined ? {} : { settings }),
      ...(workspaceTrust === undefined ? {} : { workspaceTrust }),
    });
    try {
      const store = new RunStore(join(server.userData, 'User', 'globalStorage', 'c10m.c10m', 'runs'));
      prepare?.(store);
      const window = await openWindow();
      this.started = { server, window, workbench: new Workbench(window.page), store };
    } catch (error) {
      await server.stop();
      throw error;
    }
    if (this.options.isOpen === true) await this.open();
  }

  private async end(): Promise<void> {
    await this.started?.window.close();
    await this.started?.server.stop();
    await this.state.release();
  }
}
