import { HumanError, messageOf } from '../../src/core/errors.js';
import { text } from '../../src/core/texts.js';
import type { FromPanel, PanelReply, PanelRequest, ToPanel } from '../../src/protocol/panel.js';

interface VsCodeApi {
  postMessage(message: FromPanel): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** No answer to an order after this long is a defect of the extension; the button becomes usable again. What asks a person has no limit. */
const replyTimeoutMs = 30_000;
const asksAPerson: ReadonlySet<PanelRequest['name']> = new Set(['command', 'saveImage', 'saveText']);

/** The panel's end of src/protocol/panel.ts. */
export class Host {
  private readonly api = acquireVsCodeApi();
  private readonly pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void; timer: number | undefined }>();
  private nextId = 1;

  /** Calls `onMessage` for everything but replies, then tells the extension that the panel is ready. */
  start(onMessage: (message: Exclude<ToPanel, PanelReply>) => void): void {
    window.addEventListener('message', (event: MessageEvent<ToPanel>) => {
      const message = event.data;
      if (message.type === 'reply') this.settle(message);
      else onMessage(message);
    });
    window.addEventListener('error', (event) => this.fail(event.error ?? event.message));
    window.addEventListener('unhandledrejection', (event) => this.fail(event.reason));
    this.api.postMessage({ type: 'ready' });
  }

  request(request: PanelRequest): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.pending.delete(id);
        reject(new HumanError(text('The extension does not answer.')));
      };
      const timer = asksAPerson.has(request.name) ? undefined : window.setTimeout(giveUp, replyTimeoutMs);
      this.pending.set(id, { resolve, reject, timer });
      this.api.postMessage({ type: 'request', id, request });
    });
  }

  /** What the panel itself keeps over a reload: how it looks, never data. */
  get viewState(): unknown {
    return this.api.getState();
  }

  /** Merges into what the extension put there (`runId`, with which the panel is restored). */
  saveViewState(state: Record<string, unknown>): void {
    const before = this.api.getState();
    this.api.setState({ ...(typeof before === 'object' ? before : {}), ...state });
  }

  private settle(reply: PanelReply): void {
    const pending = this.pending.get(reply.id);
    if (pending === undefined) return;
    this.pending.delete(reply.id);
    window.clearTimeout(pending.timer);
    if (reply.ok) pending.resolve(reply.value);
    else pending.reject(HumanError.fromPlain(reply.error));
  }

  private fail(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.api.postMessage({ type: 'failure', message: messageOf(error), stack });
  }
}
