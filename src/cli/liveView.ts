import { HumanError } from '../core/errors.js';
import { plainLine } from '../core/foreignText.js';
import { firstWall } from '../core/walls/plannedWalls.js';
import { ledgerItems } from '../core/figures/ledger.js';
import { orderText } from '../core/orderText.js';
import { protocolRows } from '../core/figures/protocolRows.js';
import { savingText, wallText } from '../core/figures/resultTexts.js';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd, formatRate } from '../core/units.js';
import type { Sample } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import type { RunHandle } from '../run/runHandle.js';
import type { RunState } from '../run/runState.js';
import { giveOrder, OrderPrompt, parseOrder, type Order } from './orders.js';
import type { RunView } from './plainView.js';
import { drawScreen } from './output.js';
import { fitted, redrawn, wrap } from './screen.js';

const barWidth = 40;
/** Redrawn at most this often; samples come once a second, phases at any time. */
const redrawMs = 200;
const messagesShown = 5;
/** A message is cut after so many lines: figures and keys must stay in sight. */
const linesOfMessage = 4;

/** A terminal that does not tell its size is a usual one. */
function terminalSize(): { columns: number; rows: number } {
  return { columns: process.stdout.columns || 100, rows: process.stdout.rows || 24 };
}

/** One screen part, redrawn in place, with keys to steer the run. */
export class LiveView implements RunView {
  private controller: RunHandle | undefined;
  private stop: () => void = () => undefined;
  private drawn: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private preparing = '';
  private note = '';
  private readonly prompt = new OrderPrompt((text) => this.order(() => parseOrder(text)));
  private readonly onKey = (bytes: Buffer) => {
    const text = bytes.toString('utf8');
    // What is pasted, or typed fast, comes at once; an escape sequence is one key.
    for (const key of text.startsWith('\u001b') ? [text] : text) this.obey(key);
  };

  progress(text: string): void {
    this.preparing = text;
    this.draw();
  }

  begin(controller: RunHandle, stop: () => void): void {
    this.controller = controller;
    this.stop = stop;
    controller.onEvent((event) => {
      if (event.type === 'order' && event.state !== 'accepted') this.note = orderText(event);
    });
    this.timer = setInterval(() => this.draw(), redrawMs);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.on('data', this.onKey);
      process.stdin.resume();
    }
  }

  end(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.draw();
    if (process.stdin.isTTY) {
      process.stdin.off('data', this.onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
  }

  private obey(key: string): void {
    const { controller } = this;
    if (controller === undefined) return;
    // In raw mode Ctrl-C is a key: it goes the way of the signal.
    if (key === '\u0003') {
      process.kill(process.pid, 'SIGINT');
      return;
    }
    if (this.prompt.take(key)) {
      this.draw();
      return;
    }
    const tenth = Math.max(1, Math.round((controller.state.plan?.connections ?? 0) / 10));
    const orders: Record<string, Order> = {
      q: { name: 'stop' },
      '+': { name: 'add', connections: tenth },
      '-': { name: 'remove', connections: tenth },
      b: parseOrder('burst'),
      x: { name: 'remove-all' },
    };
    const order = Object.hasOwn(orders, key) ? orders[key] : undefined;
    if (order !== undefined) this.order(() => order);
  }

  /** Gives an order; what is wrong with it is shown below the figures. */
  private order(of: () => Order): void {
    const { controller } = this;
    if (controller === undefined) return;
    const give = async () => giveOrder(of(), controller, this.stop);
    this.note = '';
    give().catch((error: unknown) => (this.note = error instanceof HumanError ? error.text : String(error)));
  }

  private draw(): void {
    const size = terminalSize();
    const lines = fitted(this.lines().map(plainLine), size);
    drawScreen(redrawn(this.drawn, lines, size.columns));
    this.drawn = lines;
  }

  /** A sentence over as many lines as it needs: its end is the remedy. */
  private wrapped(text: string): string[] {
    return wrap(text, terminalSize().columns - 1).slice(0, linesOfMessage);
  }

  private lines(): string[] {
    const state = this.controller?.state;
    const sample = state?.samples.at(-1);
    if (state === undefined || state.phase === undefined) return [`  ${this.preparing || 'connecting'} …`];
    const head = `  ${state.phase}  ${formatDuration((sample?.t ?? 0) / 1000)}  ${state.spec.host}  ${state.spec.protocol}  ${state.spec.engine}`;
    if (sample === undefined) return [head, ...startingLines(state), ...(state.plan?.notes.map((note) => `  note: ${note}`) ?? [])];
    const { established, target, ledger, memory, cpu } = sample;
    const share = target === 0 ? 0 : Math.min(1, Math.min(established.server, established.client) / target);
    const bar = `${'█'.repeat(Math.round(share * barWidth))}${'·'.repeat(barWidth - Math.round(share * barWidth))}`;
    const label = new Map(ledgerItems.map((item) => [item.id, item.label]));
    const largest = Object.entries(ledger.entries)
      .filter(([, bytes]) => bytes > 0)
      .sort(([, a], [, b]) => b - a)
      .slice(0, 4)
      .map(([id, bytes]) => `${label.get(id) ?? id} ${formatBytes(bytes)}`);
    const nextWall = state.plan === undefined ? undefined : firstWall(state.plan);
    const messages = state.messages.flatMap((event) => {
      if (event.type === 'wall') return [`wall: ${wallText(event.wall)}`];
      return event.type === 'log' && event.level !== 'debug' ? [`${event.level}: ${event.text}`] : [];
    });
    return [
      head,
      `  ${bar} ${(share * 100).toFixed(0)} %`,
      `  established   ${formatCount(established.server)} server, ${formatCount(established.client)} client of ${formatCount(target)}`,
      `  rate          ${formatRate(sample.connectRate)}   failed ${formatCount(sample.failed.total)}   lost ${formatCount(sample.lost)}`,
      ...trafficLines(state.spec, sample),
      `  bytes per end ${formatKilobytesPerEnd(ledger.bytesPerEnd)}   per pair ${formatKilobytesPerEnd(ledger.bytesPerPair)}`,
      `  memory        ${formatBytes(ledger.explainedBytes)} by the run, ${formatBytes(memory.availableBytes)} left (guard ${formatBytes(memory.guardBytes)})`,
      `  ledger        ${largest.join(', ')}`,
      `  cores busy    server ${cpu.server.toFixed(2)}, client ${cpu.client.toFixed(2)}, host ${cpu.host.toFixed(2)} of ${cpu.cores}`,
      `  next wall     ${nextWall === undefined ? 'none known' : `${nextWall.title} at ${formatCount(nextWall.atAfterTuning ?? 0)}`}`,
      ...(state.unsaved === undefined ? [] : [`  NOT SAVED     ${savingText(state.unsaved)}`]),
      ...(state.linkLost === undefined ? [] : [`  LINK LOST     ${state.linkLost}; the run goes on, coming back …`]),
      ...messages.slice(-messagesShown).flatMap((text) => this.wrapped(text)),
      ...(this.note === '' ? [] : this.wrapped(this.note)),
      this.prompt.text === undefined ? '  keys          q stop   + - a tenth   b burst   x remove all   : any order' : `  order         ${this.prompt.text}▏`,
    ];
  }
}

/** How far the start of the workers has come: hundreds of them take a while. */
function startingLines({ phase, plan, messages }: RunState): string[] {
  if (phase !== 'starting' || plan === undefined) return [];
  const ready = messages.filter((event) => event.type === 'worker' && event.role !== 'guardian' && event.state === 'ready').length;
  return [`  workers ready ${formatCount(ready)} of ${formatCount(plan.serverWorkers.length + plan.clientWorkers.length)}`];
}

/** Messages of each protocol, side by side as in 2014, once there were any. */
function trafficLines(spec: RunSpec, sample: Sample): string[] {
  const { latency, messagesLost } = sample;
  const parts = protocolRows(spec, sample, undefined)
    .filter((row) => row.messagesTotal > 0)
    .map((row) => `${row.title} ${formatCount(row.messagesPerSecond ?? 0)} messages/s, ${formatBytes(row.bytesPerSecond ?? 0)}/s`);
  if (parts.length === 0) return [];
  const delay = latency === undefined ? '' : `, p99 ${latency.p99.toFixed(1)} ms`;
  return [`  echoed        ${parts.join(' · ')}${delay}${messagesLost === 0 ? '' : `, ${formatCount(messagesLost)} lost`}`];
}
