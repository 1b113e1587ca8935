import { HumanError } from '../core/errors.js';
import { plainLine } from '../core/foreignText.js';
import { firstWall } from '../core/plan/plannedWalls.js';
import { ledgerItems } from '../core/figures/ledger.js';
import { orderText } from '../core/orderText.js';
import { protocolRows } from '../core/figures/protocolRows.js';
import { endName, savingText, withoutEcho } from '../core/figures/resultTexts.js';
import { entryText } from '../core/run/line.js';
import { phaseOf, type RunModel } from '../core/run/model.js';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd, formatRate } from '../core/units.js';
import type { Sample } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import type { Run } from '../run/run.js';
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

/** A terminal that does not report its size is a usual one. */
function terminalSize(): { columns: number; rows: number } {
  return { columns: process.stdout.columns || 100, rows: process.stdout.rows || 24 };
}

/** One screen part, redrawn in place, with keys to steer the run. */
export class LiveView implements RunView {
  private run: Run | undefined;
  private stop: () => void = () => undefined;
  private drawn: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private preparing = '';
  private note = '';
  private readonly prompt = new OrderPrompt((text) => this.order(() => parseOrder(text)));
  private readonly onKey = (bytes: Buffer) => {
    const text = bytes.toString('utf8');
    // What is pasted, or typed fast, comes at once; an escape sequence is one key.
    for (const key of text.startsWith('\u001b') ? [text] : text) this.handleKey(key);
  };

  progress(text: string): void {
    this.preparing = text;
    this.draw();
  }

  begin(run: Run, stop: () => void): void {
    this.run = run;
    this.stop = stop;
    run.onEvent((event) => {
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

  private handleKey(key: string): void {
    const { run } = this;
    if (run === undefined) return;
    // In raw mode Ctrl-C is a key: it goes the way of the signal.
    if (key === '\u0003') {
      process.kill(process.pid, 'SIGINT');
      return;
    }
    if (this.prompt.acceptKey(key)) {
      this.draw();
      return;
    }
    const tenth = Math.max(1, Math.round((run.model.plan?.connections ?? 0) / 10));
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
    const { run } = this;
    if (run === undefined) return;
    const give = async () => giveOrder(of(), run, this.stop);
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
    const model = this.run?.model;
    const phase = model === undefined ? undefined : phaseOf(model);
    if (model === undefined || phase === undefined) return [`  ${this.preparing || 'connecting'} …`];
    const sample = model.last;
    const head = `  ${phase}  ${formatDuration((sample?.t ?? 0) / 1000)}  ${model.spec.host}  ${model.spec.protocol}  ${model.spec.engine}`;
    if (sample === undefined) return [head, ...startingLines(model), ...(model.plan?.notes.map((note) => `  note: ${note}`) ?? [])];
    const { established, target, ledger, memory, cpu } = sample;
    const share = target === 0 ? 0 : Math.min(1, Math.min(established.server, established.client) / target);
    const bar = `${'█'.repeat(Math.round(share * barWidth))}${'·'.repeat(barWidth - Math.round(share * barWidth))}`;
    const label = new Map(ledgerItems.map((item) => [item.id, item.label]));
    const largest = Object.entries(ledger.entries)
      .filter(([, bytes]) => bytes > 0)
      .sort(([, a], [, b]) => b - a)
      .slice(0, 4)
      .map(([id, bytes]) => `${label.get(id) ?? id} ${formatBytes(bytes)}`);
    const nextWall = model.plan === undefined ? undefined : firstWall(model.plan);
    const messages = model.lines.filter(({ kind, level }) => kind !== 'phase' && kind !== 'order' && level !== 'debug').map(entryText);
    return [
      head,
      `  ${bar} ${(share * 100).toFixed(0)} %`,
      `  established   ${formatCount(established.server)} server, ${formatCount(established.client)} client of ${formatCount(target)}`,
      `  rate          ${formatRate(sample.connectRate)}   failed ${formatCount(sample.failed.total)}   lost ${formatCount(sample.lost)}`,
      ...trafficLines(model.spec, sample),
      `  bytes per ${endName(model.spec)} ${formatKilobytesPerEnd(ledger.bytesPerEnd)}${ledger.bytesPerPair === null ? '' : `   per pair ${formatKilobytesPerEnd(ledger.bytesPerPair)}`}`,
      `  memory        ${formatBytes(ledger.explainedBytes)} by the run, ${formatBytes(memory.availableBytes)} left (guard ${formatBytes(memory.guardBytes)})`,
      `  ledger        ${largest.join(', ')}`,
      `  cores busy    server ${cpu.server.toFixed(2)}, client ${cpu.client.toFixed(2)}, host ${cpu.host.toFixed(2)} of ${cpu.cores}`,
      `  next wall     ${nextWall === undefined ? 'none known' : `${nextWall.title} at ${formatCount(nextWall.atAfterTuning ?? 0)}`}`,
      ...(model.unsaved === undefined ? [] : [`  NOT SAVED     ${savingText(model.unsaved)}`]),
      ...(model.linkLost === undefined ? [] : [`  LINK LOST     ${model.linkLost}; the run goes on, coming back …`]),
      ...messages.slice(-messagesShown).flatMap((text) => this.wrapped(text)),
      ...(this.note === '' ? [] : this.wrapped(this.note)),
      this.prompt.text === undefined ? '  keys          q stop   + - a tenth   b burst   x remove all   : any order' : `  order         ${this.prompt.text}▏`,
    ];
  }
}

/** How far the start of the workers has come: hundreds of them take a while. */
function startingLines(model: RunModel): string[] {
  const { plan, workersReady } = model;
  if (phaseOf(model) !== 'starting' || plan === undefined) return [];
  return [`  workers ready ${formatCount(workersReady)} of ${formatCount(plan.serverWorkers.length + plan.clientWorkers.length)}`];
}

/** Messages of each protocol, side by side as in 2014, once there were any. */
function trafficLines(spec: RunSpec, sample: Sample): string[] {
  const { latency } = sample;
  const { unanswered, lost } = withoutEcho(sample);
  const parts = protocolRows(spec, sample, undefined)
    .filter((row) => row.messagesTotal > 0)
    .map((row) => `${row.title} ${formatCount(row.messagesPerSecond ?? 0)} messages/s, ${formatBytes(row.bytesPerSecond ?? 0)}/s`);
  if (parts.length === 0) return [];
  const delay = latency === undefined ? '' : `, p99 ${latency.p99.toFixed(1)} ms`;
  return [
    `  echoed        ${parts.join(' · ')}${delay}${unanswered === 0 ? '' : `, ${formatCount(unanswered)} without an echo yet`}${lost === 0 ? '' : `, ${formatCount(lost)} lost`}`,
  ];
}
