import type { ClientTarget, StatelessPlan } from '../../protocol/plan.js';
import { addressNumber } from './packet.js';

/** Source ports of one address: from 1,024 on; no socket of this machine is in the way, since the addresses are none of its own. */
const firstSourcePort = 1_024;
export const portsPerSource = 64_000;

/** One line of the plan: so many connections to one server port. */
export interface NumberedTarget {
  plan: ClientTarget;
  /** Numbers [first, first + room) are its connections. */
  first: number;
  room: number;
  /** Numbers that were never used are those from here on. */
  nextUnused: number;
  /** Numbers that were used and are free again. */
  free: number[];
  open: number;
}

/**
 * The connection's number is all there is to know: number → target, source address, source port; and back from a packet. Nothing is looked up in
 * a table per connection.
 */
export class Numbering {
  readonly targets: NumberedTarget[];
  readonly capacity: number;
  private readonly firstSource: number;
  private readonly byPort = new Int32Array(65_536).fill(-1);
  private readonly firsts: Float64Array;
  private next = 0;

  constructor(targets: readonly ClientTarget[], plan: Pick<StatelessPlan, 'firstSource'>) {
    this.firstSource = addressNumber(plan.firstSource);
    let first = 0;
    this.targets = targets.map((target, index) => {
      const room = Math.max(target.connections, target.room ?? 0);
      const numbered: NumberedTarget = { plan: target, first, room, nextUnused: first, free: [], open: 0 };
      this.byPort[target.port] = index;
      first += room;
      return numbered;
    });
    this.capacity = first;
    this.firsts = Float64Array.from(this.targets, (target) => target.first);
  }

  /** A number for the next connection: in turn over the targets that are below their share, then over those with room. −1: none is left. */
  choose(): number {
    return this.seek(false) ?? this.seek(true) ?? -1;
  }

  private seek(isAboveShare: boolean): number | undefined {
    const { targets } = this;
    for (let tries = 0; tries < targets.length; tries++) {
      const target = targets[this.next]!;
      this.next = this.next + 1 === targets.length ? 0 : this.next + 1;
      if (target.open >= (isAboveShare ? target.room : target.plan.connections)) continue;
      const number = target.nextUnused < target.first + target.room ? target.nextUnused++ : target.free.pop();
      if (number === undefined) continue;
      target.open++;
      return number;
    }
    return undefined;
  }

  release(number: number): void {
    const target = this.targetOf(number);
    target.open--;
    target.free.push(number);
  }

  targetOf(number: number): NumberedTarget {
    const { firsts } = this;
    let low = 0;
    let high = firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (firsts[middle]! <= number) low = middle;
      else high = middle - 1;
    }
    return this.targets[low]!;
  }

  /** Address of the client's end, as an unsigned number. */
  sourceOf(number: number, target: NumberedTarget): number {
    return this.firstSource + Math.floor((number - target.first) / portsPerSource);
  }

  sourcePortOf(number: number, target: NumberedTarget): number {
    return firstSourcePort + ((number - target.first) % portsPerSource);
  }

  /** The number that a packet from `serverPort` to that address and port belongs to; −1: none of ours. */
  numberOf(serverPort: number, source: number, sourcePort: number): number {
    const index = this.byPort[serverPort]!;
    const place = (source - this.firstSource) * portsPerSource + sourcePort - firstSourcePort;
    if (index < 0 || source < this.firstSource || sourcePort < firstSourcePort || sourcePort >= firstSourcePort + portsPerSource) return -1;
    const target = this.targets[index]!;
    return place < target.room ? target.first + place : -1;
  }
}
