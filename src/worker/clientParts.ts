import type { ReconnectPolicy } from '../protocol/worker.js';
import type { Exchange } from './exchange.js';
import type { Loop } from './loop.js';
import type { OpeningDesk, OpeningHost } from './opening/openingDesk.js';
import type { Output } from './output.js';
import type { Stats } from './stats.js';
import type { ClientTlsParts } from './tls/workerTls.js';
import type { WebSocketClient } from './websocket/client.js';
import type { UpgradeRequests } from './websocket/request.js';
import type { Wire } from './wire.js';

/** What the client needs from its other halves; made by `clientWorker.ts`. */
export interface ClientParts {
  loop: Loop;
  stats: Stats;
  wire: Wire;
  /** With TLS: what comes between the connection and its first byte. */
  tls?: ClientTlsParts | undefined;
  output: Output;
  webSockets: WebSocketClient;
  exchange: Exchange;
  requests: UpgradeRequests;
  reconnect: ReconnectPolicy;
  /** The number of its first connection among those of all workers. */
  firstConnection: number;
  /** What is said first, and to keep connections alive; made with this client as its host. */
  makeOpening(host: OpeningHost): OpeningDesk | undefined;
}
