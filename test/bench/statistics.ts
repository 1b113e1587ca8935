/** Smallest, middle and largest of some figures. */
export interface Spread {
  minimum: number;
  median: number;
  maximum: number;
}

/** With an even number of figures the median is the mean of the middle two. Throws on none. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b);
  const [minimum, maximum] = [sorted[0], sorted.at(-1)];
  if (minimum === undefined || maximum === undefined) throw new RangeError('no figures');
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { minimum, median, maximum };
}

/** What one run of one engine gave. */
export interface RunResult {
  engine: string;
  protocol: 'tcp' | 'websocket';
  connections: number;
  /** Until the servers had accepted (and upgraded) all. */
  connectionsPerSecond: number;
  bytesPerPair: number;
  /** Growth of PSS per connection from ready to held. */
  serverUserBytesPerEnd: number;
  clientUserBytesPerEnd: number;
  /** Why this run says nothing; empty: undisturbed. */
  disturbances: string[];
}

export interface EngineRow {
  engine: string;
  protocol: 'tcp' | 'websocket';
  connectionsPerSecond: Spread;
  bytesPerPair: Spread;
  serverUserBytesPerEnd: Spread;
  clientUserBytesPerEnd: Spread;
  /** To the floor of the same round. */
  rateRatio: Spread;
  bytesRatio: Spread;
}

/** One row for each engine, from whole rounds. The floor of a run is that of its protocol in the same round, else the first run of the round. */
export function rowsOf(rounds: readonly (readonly RunResult[])[]): EngineRow[] {
  const first = rounds[0] ?? [];
  return first.map(({ engine, protocol }, index) => {
    const runs = rounds.map((round) => ({ run: round[index]!, floor: round.find((run) => run.engine === 'floor' && run.protocol === protocol) ?? round[0]! }));
    const spread = (pick: (run: RunResult, floor: RunResult) => number) => spreadOf(runs.map(({ run, floor }) => pick(run, floor)));
    return {
      engine,
      protocol,
      connectionsPerSecond: spread((run) => run.connectionsPerSecond),
      bytesPerPair: spread((run) => run.bytesPerPair),
      serverUserBytesPerEnd: spread((run) => run.serverUserBytesPerEnd),
      clientUserBytesPerEnd: spread((run) => run.clientUserBytesPerEnd),
      rateRatio: spread((run, floor) => run.connectionsPerSecond / floor.connectionsPerSecond),
      bytesRatio: spread((run, floor) => run.bytesPerPair / floor.bytesPerPair),
    };
  });
}

export interface Bar {
  text: string;
  value: number;
  isMet: boolean;
}

/** The bars the engines are held to, as ratios to the floor of their protocol in the same round (medians). */
export function barsOf(rows: readonly EngineRow[]): Bar[] {
  const find = (engine: string, protocol: string) => rows.find((row) => row.engine === engine && row.protocol === protocol);
  const bars: Bar[] = [];
  const add = (text: string, value: number, isMet: boolean) => bars.push({ text, value, isMet });
  for (const [protocol, rate, bytes] of [
    ['tcp', 0.75, 1.2],
    ['websocket', 0.8, 1.3],
  ] as const) {
    const epoll = find('epoll', protocol);
    if (epoll === undefined) continue;
    add(`epoll ${protocol}: connect rate at least ${rate} of the floor`, epoll.rateRatio.median, epoll.rateRatio.median >= rate);
    add(`epoll ${protocol}: bytes per pair at most ${bytes} of the floor`, epoll.bytesRatio.median, epoll.bytesRatio.median <= bytes);
    const growth = epoll.serverUserBytesPerEnd.median;
    add(`epoll ${protocol}: user memory of the server grows at most 128 B per connection`, growth, growth <= 128);
    const ws = find('ws', protocol);
    if (ws === undefined) continue;
    const times = epoll.rateRatio.median / ws.rateRatio.median;
    add('epoll websocket: connect rate at least 4 times that of the ws pair', times, times >= 4);
  }
  return bars;
}

/** The bar of `--tls`: OpenSSL does the work on both sides. */
export function tlsBarsOf(rows: readonly EngineRow[]): Bar[] {
  return rows
    .filter(({ engine, protocol }) => engine === 'epoll' && protocol === 'tcp')
    .map(({ rateRatio: { median } }) => ({ text: 'epoll with TLS: handshake rate at least 0.8 of the floor', value: median, isMet: median >= 0.8 }));
}
