import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { parseCount } from '../../src/core/units.js';
import { HumanError } from '../../src/core/errors.js';
import type { PanelRequest } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';

/** The orders of 2014's menu: a new target, another rate, messages over the open connections, remove all. */
export class ControlsElement extends LitElement {
  static override properties = { send: { attribute: false }, target: { type: Number }, rate: { type: Number } };
  /** Sends an order to the run; the text of the outcome comes as an event of the run. */
  declare send: (request: PanelRequest) => Promise<unknown>;
  declare target: number;
  /** 0: as fast as possible. */
  declare rate: number;

  private busy: string | undefined;
  private message: { text: string; failed: boolean } | undefined;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    return html`
      <div class="controls">
        ${this.form(
          'target',
          text('Target'),
          [{ name: 'target', label: text('Connections'), value: String(this.target) }],
          (value) => ({ name: 'set', target: parseCount(value('target')) }),
          text('Set target'),
        )}
        ${this.form(
          'rate',
          text('Rate'),
          [{ name: 'rate', label: text('Per second (0: as fast as possible)'), value: String(this.rate) }],
          (value) => ({ name: 'set', rate: value('rate').trim() === '0' ? 0 : parseCount(value('rate')) }),
          text('Set rate'),
        )}
        ${this.form(
          'burst',
          text('Burst'),
          [
            { name: 'messages', label: text('Messages per connection'), value: '1' },
            { name: 'bytes', label: text('Bytes each'), value: '64' },
          ],
          (value) => ({ name: 'burst', messages: parseCount(value('messages')), bytes: parseCount(value('bytes')) }),
          text('Send burst'),
        )}
        <button type="button" class="secondary" ?disabled=${this.busy !== undefined} @click=${() => void this.run('removeAll', () => ({ name: 'removeAll' }))}>
          ${text('Remove all connections')}
        </button>
      </div>
      <p class="outcome ${this.message?.failed === true ? 'failed' : ''}" role="status">${this.message?.text ?? nothing}</p>
    `;
  }

  private form(
    id: string,
    legend: string,
    fields: readonly { name: string; label: string; value: string }[],
    build: (value: (name: string) => string) => PanelRequest,
    accept: string,
  ): TemplateResult {
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      const data = new FormData(event.target as HTMLFormElement);
      void this.run(id, () =>
        build((name) => {
          const value = data.get(name);
          return typeof value === 'string' ? value : '';
        }),
      );
    };
    return html`<form @submit=${submit} aria-label=${legend}>
      ${fields.map(
        (field) =>
          html`<label
            >${field.label}
            <input name=${field.name} .defaultValue=${field.value} inputmode="numeric" autocomplete="off" size="10" />
          </label>`,
      )}
      <button type="submit" class="secondary" ?disabled=${this.busy !== undefined}>${accept}</button>
    </form>`;
  }

  private async run(id: string, build: () => PanelRequest): Promise<void> {
    this.busy = id;
    this.requestUpdate();
    try {
      await this.send(build());
      this.message = { text: text('Accepted.'), failed: false };
    } catch (error) {
      const plain = error instanceof HumanError ? error.text : String(error);
      this.message = { text: plain, failed: true };
    } finally {
      this.busy = undefined;
      this.requestUpdate();
    }
  }
}
customElements.define('c10m-controls', ControlsElement);
