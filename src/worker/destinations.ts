import { isLoopback, socketAddress } from '../linux/sockets.js';
import type { ClientTarget } from '../protocol/plan.js';
import { grown } from './connectionTable.js';
import type { HandshakeRequest } from './websocket/clientHandshake.js';
import type { UpgradeRequests } from './websocket/request.js';

/** One line of the plan: so many connections from one source to one port. */
export interface Destination {
  /** Its place in the plan. */
  index: number;
  plan: ClientTarget;
  address: Uint8Array;
  source: Uint8Array | null;
  isLoopback: boolean;
  isWebSocket: boolean;
  /** Absent: each connection has one of its own. */
  request: HandshakeRequest | undefined;
  used: number;
  /** As many as it can take at most, above the planned share. */
  room: number;
  /** The kernel has no port left for it. */
  isExhausted: boolean;
}

/** Chooses where the next connection goes, in turn, and remembers where each open one went. */
export class Destinations {
  private readonly all: Destination[];
  private chosen: Uint16Array;
  private next = 0;

  constructor(targets: readonly ClientTarget[], requests: Pick<UpgradeRequests, 'fixed'>, expected: number) {
    this.chosen = new Uint16Array(Math.max(1024, expected));
    this.all = targets.map((plan, index) => ({
      index,
      plan,
      address: socketAddress(plan.address, plan.port),
      source: plan.source === null ? null : socketAddress(plan.source, 0),
      isLoopback: isLoopback(plan.address),
      isWebSocket: plan.protocol === 'websocket',
      request: requests.fixed(plan.address, plan.port),
      used: 0,
      room: Math.max(plan.connections, plan.room ?? 0),
      isExhausted: false,
    }));
  }

  /** Connections that all of them together can take. */
  get capacity(): number {
    return this.all.reduce((sum, { room }) => sum + room, 0);
  }

  /**
   * The next one below its planned share, and only when none is left one with room: shares differ, and a server has descriptors for
   * what the plan sends it. Undefined: all are full or exhausted.
   */
  choose(): Destination | undefined {
    return this.seek(({ plan }) => plan.connections) ?? this.seek(({ room }) => room);
  }

  private seek(limitOf: (destination: Destination) => number): Destination | undefined {
    const { all } = this;
    for (let tries = 0; tries < all.length; tries++) {
      const destination = all[this.next]!;
      this.next = this.next + 1 === all.length ? 0 : this.next + 1;
      if (destination.used < limitOf(destination) && !destination.isExhausted) return destination;
    }
    return undefined;
  }

  assignDestination(fd: number, destination: Destination): void {
    if (fd >= this.chosen.length) this.chosen = grown(this.chosen, fd, Uint16Array);
    this.chosen[fd] = destination.index;
    destination.used++;
  }

  of(fd: number): Destination {
    return this.all[this.chosen[fd]!]!;
  }

  release(fd: number): void {
    const destination = this.of(fd);
    destination.used--;
    destination.isExhausted = false;
  }

  /** How many there are, and towards how many of them the kernel has no local port left. */
  get ports(): { exhausted: number; destinations: number } {
    return { exhausted: this.all.filter(({ isExhausted }) => isExhausted).length, destinations: this.all.length };
  }

  /** A new order is a reason to try again. */
  forgetExhaustion(): void {
    for (const destination of this.all) destination.isExhausted = false;
  }
}
