import { HumanError } from '../../../src/core/errors.js';
import type { ControllerCommand } from '../../../src/protocol/commands.js';
import type { RunEvent } from '../../../src/protocol/events.js';
import type { HostLease } from '../../../src/run/hostPool.js';
import type { RelayChannel } from '../../../src/transport/transport.js';

/** A relay that answers everything at once, until it hangs or is cut. */
export class FakeRelay implements RelayChannel {
  isSilent = false;
  isClosed = false;
  readonly isFlooded = false;
  readonly commands: ControllerCommand['type'][] = [];
  readonly eventListeners = new Set<(event: RunEvent) => void>();
  readonly closeListeners = new Set<(reason: string) => void>();
  private readonly pending = new Set<(error: HumanError) => void>();

  constructor(
    private readonly unanswered: readonly string[],
    private readonly answers: ReadonlyMap<string, unknown>,
  ) {}

  send(command: ControllerCommand): void {
    this.commands.push(command.type);
  }

  request<T>(build: (id: number) => ControllerCommand): Promise<T> {
    const { type } = build(1);
    this.commands.push(type);
    if (!this.isSilent && !this.unanswered.includes(type)) return Promise.resolve((this.answers.get(type) ?? null) as T);
    return new Promise((_resolve, reject) => this.pending.add(reject));
  }

  onEvent(listener: (event: RunEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  onClose(listener: (reason: string) => void): () => void {
    this.closeListeners.add(listener);
    return () => this.closeListeners.delete(listener);
  }

  expectReplay(): void {
    // Nothing is bounded here.
  }

  onNoise(): () => void {
    return () => undefined;
  }

  close(): void {
    this.cut('closed');
  }

  say(event: RunEvent): void {
    for (const listener of [...this.eventListeners]) listener(event);
  }

  /** The way to it is gone. */
  cut(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const reject of this.pending) reject(new HumanError(reason, { code: 'unreachable' }));
    const listeners = [...this.closeListeners];
    this.closeListeners.clear();
    this.eventListeners.clear();
    for (const listener of listeners) listener(reason);
  }
}

/** A host for links: its relays, and what is wrong with it. */
export class FakeHost {
  readonly relays: FakeRelay[] = [];
  isReachable = true;
  /** No relay ever begins. */
  isHanging = false;
  isSilentAfterStart = false;
  /** Commands that are never answered. */
  unanswered: string[] = [];
  /** What commands are answered with; by default null. */
  readonly answers = new Map<string, unknown>();
  attempts = 0;
  leases = 0;
  private readonly released = new Set<object>();

  get lease(): HostLease {
    this.leases++;
    const lease: HostLease = {
      openRelay: (signal) => {
        this.attempts++;
        if (this.isHanging) {
          return new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(new HumanError('Cancelled.', { code: 'cancelled' })), { once: true }),
          );
        }
        if (!this.isReachable) return Promise.reject(new HumanError('no route', { code: 'unreachable' }));
        const relay = new FakeRelay(this.unanswered, this.answers);
        this.relays.push(relay);
        return Promise.resolve(relay);
      },
      release: () => {
        if (this.released.has(lease)) return;
        this.released.add(lease);
        this.leases--;
      },
    };
    return lease;
  }

  /** From now on nothing is heard, and no new relay begins. */
  afterStart(): void {
    if (!this.isSilentAfterStart) return;
    for (const relay of this.relays) relay.isSilent = true;
    this.isHanging = true;
  }

  commandsOf(relay: number): string[] {
    return this.relays[relay]?.commands ?? [];
  }

  get openRelays(): number {
    return this.relays.filter(({ isClosed }) => !isClosed).length;
  }

  get listeners(): number {
    return this.relays.reduce((sum, relay) => sum + relay.eventListeners.size + relay.closeListeners.size, 0);
  }
}
