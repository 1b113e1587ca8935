import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { formatCount, parseBytes, parseCount } from '../../src/core/units.js';
import { HumanError } from '../../src/core/errors.js';
import type { PanelRequest } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';

interface Field {
  name: string;
  label: string;
  /** What the host goes by now. */
  value: string;
  /** Throws a HumanError. */
  parse: (value: string) => number;
}

/**
 * The orders of 2014's menu: a new target, another rate, messages over the open connections, remove all. Nothing here changes the height of the page:
 * what is wrong lies over it below its field, and what became of an order has a line of its own.
 */
export class ControlsElement extends LitElement {
  static override properties = { send: { attribute: false }, target: { type: Number }, rate: { type: Number }, held: { type: Number } };
  /** Sends an order to the run; the text of the outcome comes as an event of the run. */
  declare send: (request: PanelRequest) => Promise<unknown>;
  declare target: number;
  /** 0: as fast as possible. */
  declare rate: number;
  /** Connections that are open. */
  declare held: number;

  private busy: string | undefined;
  private message = '';
  /** What is wrong, by field; under `NAMEOrder`, what the order of a form met. */
  private problems: Readonly<Record<string, string>> = {};
  private asksToRemove = false;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    const count = (what: string) => (value: string) => parseCount(value.trim(), what);
    const target = { name: 'target', label: text('Connections'), value: String(this.target), parse: count(text('the target')) };
    const rate = { name: 'rate', label: text('Per second (0: as fast as possible)'), value: String(this.rate), parse: parseRate };
    const messages = { name: 'messages', label: text('Messages per connection'), value: '1', parse: count(text('the messages')) };
    const bytes = { name: 'bytes', label: text('Bytes each'), value: '64', parse: (value: string) => parseBytes(value.trim(), text('the bytes')) };
    return html`
      <div class="controls">
        ${this.form('target', text('Target'), [target], text('Set target'), (values) => ({ name: 'set', target: values['target']! }))}
        ${this.form('rate', text('Rate'), [rate], text('Set rate'), (values) => ({ name: 'set', rate: values['rate']! }))}
        ${this.form('burst', text('Burst'), [messages, bytes], text('Send burst'), (values) => ({ name: 'burst', messages: values['messages']!, bytes: values['bytes']! }))}
        <div class="remove">${this.removal()}</div>
      </div>
      <p class="outcome" role="status">${this.message}</p>
    `;
  }

  private removal(): TemplateResult {
    if (!this.asksToRemove)
      return html`<button type="button" class="secondary" ?disabled=${this.busy !== undefined || this.held === 0} @click=${() => this.askToRemove(true)}>
        ${text('Remove all connections…')}
      </button>`;
    // The answer that changes nothing is where the question was: a double click must not answer it.
    return html`<span role="group" aria-label=${text('Remove all {0} connections?', formatCount(this.held))}>
      <button type="button" class="secondary" @click=${() => this.askToRemove(false)}>${text('Keep them')}</button>
      <button type="button" class="danger" @click=${() => void this.removeAll()}>${text('Remove {0}', formatCount(this.held))}</button>
    </span>`;
  }

  private askToRemove(asks: boolean): void {
    this.asksToRemove = asks;
    this.requestUpdate();
  }

  private async removeAll(): Promise<void> {
    this.asksToRemove = false;
    await this.order('remove', { name: 'removeAll' });
  }

  private form(
    id: string,
    legend: string,
    fields: readonly Field[],
    accept: string,
    build: (values: Readonly<Record<string, number>>) => PanelRequest,
  ): TemplateResult {
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      const form = event.target as HTMLFormElement;
      const values = this.read(form, fields);
      // After it the fields show what the host goes by again.
      if (values !== undefined) void this.order(id, build(values)).then((isAccepted) => isAccepted && form.reset());
    };
    return html`<form @submit=${submit} aria-label=${legend}>
      ${fields.map((field) => this.field(field))}
      <span class="field">
        <button type="submit" class="secondary" ?disabled=${this.busy !== undefined}>${accept}</button>
        ${this.problem(`${id}Order`)}
      </span>
    </form>`;
  }

  private field({ name, label, value }: Field): TemplateResult {
    const isWrong = this.problems[name] !== undefined;
    return html`<span class="field">
      <label
        >${label}
        <input
          name=${name}
          .defaultValue=${value}
          inputmode="numeric"
          autocomplete="off"
          size="10"
          aria-invalid=${isWrong ? 'true' : 'false'}
          aria-describedby=${isWrong ? `problem-${name}` : nothing}
          @input=${() => isWrong && this.setProblems({})}
        />
      </label>
      ${this.problem(name)}
    </span>`;
  }

  private problem(name: string): TemplateResult | typeof nothing {
    const said = this.problems[name];
    return said === undefined ? nothing : html`<span class="problem" id="problem-${name}" role="alert">${said}</span>`;
  }

  /** The values of a form; undefined when one is wrong, which is then said at its field. */
  private read(form: HTMLFormElement, fields: readonly Field[]): Record<string, number> | undefined {
    const data = new FormData(form);
    const values: Record<string, number> = {};
    for (const { name, parse } of fields) {
      const written = data.get(name);
      try {
        values[name] = parse(typeof written === 'string' ? written : '');
      } catch (error) {
        this.setProblems({ [name]: sentenceOf(error) });
        form.querySelector<HTMLInputElement>(`[name=${name}]`)?.focus();
        return undefined;
      }
    }
    return values;
  }

  private setProblems(problems: Readonly<Record<string, string>>): void {
    this.problems = problems;
    this.requestUpdate();
  }

  private async order(id: string, request: PanelRequest): Promise<boolean> {
    this.busy = id;
    this.message = '';
    this.setProblems({});
    try {
      await this.send(request);
      this.message = text('Accepted.');
      return true;
    } catch (error) {
      // One line is kept for the outcome of removing, which has no field.
      if (id === 'remove') this.message = sentenceOf(error);
      else this.problems = { [`${id}Order`]: sentenceOf(error) };
      return false;
    } finally {
      this.busy = undefined;
      this.requestUpdate();
    }
  }
}
customElements.define('c10m-controls', ControlsElement);

/** 0 has a meaning for a rate. */
function parseRate(value: string): number {
  return value.trim() === '0' ? 0 : parseCount(value.trim(), text('the rate'));
}

function sentenceOf(error: unknown): string {
  return error instanceof HumanError ? error.text : String(error);
}
