import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { nearest } from '../core/nearest.js';
import { HumanError } from '../core/errors.js';
import { patience } from '../files/sleep.js';
import { parseBytes, parseCount, parseDuration } from '../core/units.js';
import type { Phase } from '../protocol/events.js';
import type { Run } from '../run/run.js';

/** An order to a running run, as typed behind `:` or read from standard input with `--orders`. */
export type Order =
  | { name: 'target' | 'add' | 'remove'; connections: number }
  | { name: 'rate'; perSecond: number }
  | { name: 'burst'; messages: number; bytes: number }
  | { name: 'remove-all' | 'stop' }
  | { name: 'wait'; seconds: number }
  | { name: 'wait'; phase: Phase };

/** What takes orders. */
export type OrderedRun = Pick<Run, 'model' | 'reached' | 'set' | 'burst' | 'removeAll'>;

/** How each order is written; the help shows the same. */
const forms: Record<Order['name'], string> = {
  target: 'target N',
  add: 'add N',
  remove: 'remove N',
  rate: 'rate N|max',
  burst: 'burst [MESSAGES [BYTES]]',
  'remove-all': 'remove-all',
  stop: 'stop',
  wait: 'wait D|ramping|holding',
};

/** One small message over each connection, as in 2014. */
const defaultBurst = { messages: 1, bytes: 64 };
const waitablePhases: readonly Phase[] = ['ramping', 'holding'];
/** An order is a few words; a longer line is not one. */
const maximumOrderCharacters = 200;
/** A script that is longer than its run is useless; what waits is bounded. */
const maximumWaitingOrders = 10_000;

/** Parses one order. Throws a HumanError (usage) that shows how it is written. */
export function parseOrder(text: string): Order {
  const words = text.trim().slice(0, maximumOrderCharacters).split(/\s+/);
  const name = words[0]!.toLowerCase();
  if (!Object.hasOwn(forms, name)) {
    const near = nearest(name, Object.keys(forms));
    throw new HumanError(`"${name}" is not an order.`, {
      code: 'usage',
      remedy: near === undefined ? `Orders: ${Object.values(forms).join(', ')}.` : `Did you mean "${forms[near as Order['name']]}"?`,
    });
  }
  const order = name as Order['name'];
  const values = words.slice(1);
  const [fewest, most] = { target: [1, 1], add: [1, 1], remove: [1, 1], rate: [1, 1], burst: [0, 2], 'remove-all': [0, 0], stop: [0, 0], wait: [1, 1] }[order];
  if (values.length < fewest! || values.length > most!) throw new HumanError(`The order "${order}" is written: ${forms[order]}.`, { code: 'usage' });
  const [first = '', second] = values;
  switch (order) {
    case 'target':
    case 'add':
    case 'remove':
      return { name: order, connections: parseCount(first, 'the connections') };
    case 'rate':
      return { name: order, perSecond: first === 'max' ? 0 : parseCount(first, 'the rate') };
    case 'burst':
      return {
        name: order,
        messages: first === '' ? defaultBurst.messages : parseCount(first, 'the messages'),
        bytes: second === undefined ? defaultBurst.bytes : parseBytes(second, 'the bytes of a message'),
      };
    case 'wait': {
      const phase = waitablePhases.find((one) => one === first);
      return phase === undefined ? { name: order, seconds: parseDuration(first, 'the wait') } : { name: order, phase };
    }
    default:
      return { name: order };
  }
}

/** Carries one order out; resolves when the host has taken it, a burst when its echoes are back. Rejects with a HumanError. */
export async function giveOrder(order: Order, run: OrderedRun, stop: () => void): Promise<void> {
  const target = () => run.model.last?.target ?? run.model.plan?.connections ?? 0;
  switch (order.name) {
    case 'target':
      return run.set({ target: order.connections });
    case 'add':
      return run.set({ target: target() + order.connections });
    case 'remove':
      return run.set({ target: Math.max(0, target() - order.connections) });
    case 'rate':
      return run.set({ rate: order.perSecond });
    case 'burst':
      return run.burst(order.messages, order.bytes);
    case 'remove-all':
      return run.removeAll();
    case 'stop':
      stop();
      return;
    case 'wait':
      return 'phase' in order ? run.reached(order.phase) : patience(order.seconds * 1000);
  }
}

/**
 * Obeys one order a line, each after the one before, until the input ends; the run goes on without it. What is wrong with an
 * order is reported through `complain` and changes nothing. Lines that begin with # are notes. Returns what lets go of the input.
 */
export function submitLines(input: Readable, run: OrderedRun, stop: () => void, complain: (text: string) => void): () => void {
  const lines = createInterface({ input });
  let last: Promise<void> = run.reached('ramping');
  let waiting = 0;
  lines.on('line', (line) => {
    if (line.trim() === '' || line.trimStart().startsWith('#')) return;
    if (waiting >= maximumWaitingOrders) {
      complain(`The order "${line.slice(0, maximumOrderCharacters)}" was dropped: ${maximumWaitingOrders} wait already.`);
      return;
    }
    waiting++;
    const obey = async () => {
      try {
        await giveOrder(parseOrder(line), run, stop);
      } catch (error) {
        complain(error instanceof HumanError ? error.text : String(error));
      } finally {
        waiting--;
      }
    };
    last = last.then(obey);
  });
  return () => {
    lines.close();
    input.pause();
  };
}

/** The line that `:` opens in the live view: typed characters, Backspace, Escape and Enter. */
export class OrderPrompt {
  private typed: string | undefined;

  constructor(private readonly submit: (text: string) => void) {}

  /** What is typed so far; undefined: closed. */
  get text(): string | undefined {
    return this.typed;
  }

  /** True when the key was meant for the prompt. */
  acceptKey(key: string): boolean {
    if (this.typed === undefined) {
      if (key !== ':') return false;
      this.typed = '';
      return true;
    }
    if (key === '\u001b') this.typed = undefined;
    else if (key.startsWith('\u001b'))
      return true; // An arrow or another key that means nothing here.
    else if (key === '\r' || key === '\n') {
      const text = this.typed;
      this.typed = undefined;
      if (text.trim() !== '') this.submit(text);
    } else if (key === '\u007f' || key === '\b') this.typed = this.typed.slice(0, -1);
    else this.typed = (this.typed + key.replaceAll(/[^ -~]/g, '')).slice(0, maximumOrderCharacters);
    return true;
  }
}
