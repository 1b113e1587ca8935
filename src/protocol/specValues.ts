import * as v from 'valibot';

/** Schemas of values in a spec, apart from the list of its fields: a worker needs them, but none of the texts. */

/** Largest number of connections a spec may ask for: 10M is the experiment's name, ten times that is certainly a typing error. */
export const maximumConnections = 100_000_000;
const oneDaySeconds = 86_400;

/** A whole number from 1 to `maximum`. */
export const countUpTo = (maximum: number) =>
  v.pipe(v.number(), v.integer('must be a whole number'), v.minValue(1, 'must be at least 1'), v.maxValue(maximum, `must be at most ${maximum}`));

/** Seconds from 0 to `days` days. */
export const secondsUpToDays = (days: number) =>
  v.pipe(v.number(), v.minValue(0, 'must not be negative'), v.maxValue(days * oneDaySeconds, `must be at most ${days * oneDaySeconds} s`));

export const protocolSchema = v.picklist(['tcp', 'websocket', 'both']);

/** Whether connections that the server refused or ended are opened again. */
export const reconnectSchema = v.picklist(['backoff', 'once', 'none']);

/** What a WebSocket client asks for beside the path. */
export const websocketOptionsSchema = v.strictObject({
  /** `Name: value`. */
  headers: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.maxLength(8_000), v.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*$/, 'it must be Name: value'))), v.maxLength(50)),
  ),
  subprotocols: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(200), v.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/))), v.maxLength(20))),
  /** Offer permessage-deflate, as browsers do. */
  compression: v.optional(v.boolean()),
});

/** A server under PyPy or on a JVM needs seconds for its imports; one that is not there after a minute has a problem. */
export const defaultStartTimeoutSeconds = 60;

export const engineSchema = v.picklist(['epoll', 'node', 'command', 'attach']);

/** A server that runs already: `6379`, `[::1]:6379`, `10.0.0.1:80`, `pid:12`, `unit:redis-server`, `container:web`. */
export const attachSchema = v.pipe(
  v.string(),
  v.maxLength(300),
  v.regex(
    /^(?:(?:\[[0-9a-fA-F:.]+\]|[0-9.]+):)?\d{1,5}$|^pid:\d{1,9}$|^(?:unit|container):[A-Za-z0-9@._:\\-]{1,250}$/,
    'it must be a port, ADDRESS:PORT, pid:N, unit:NAME or container:NAME',
  ),
);

/** One stage of a ramp: go to `to` connections at `rate` per second (absent: as fast as possible), then hold. */
export const stageSchema = v.strictObject({
  to: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maximumConnections)),
  rate: v.optional(countUpTo(10_000_000)),
  holdSeconds: v.optional(secondsUpToDays(1), 0),
});

/** Steady traffic: each connection sends `bytes` every `intervalSeconds`, staggered; the server echoes. */
export const trafficSchema = v.strictObject({
  intervalSeconds: v.pipe(v.number(), v.minValue(0.1), v.maxValue(oneDaySeconds)),
  bytes: countUpTo(65_536),
});

/** Without a heartbeat for this long the supervisor drains, restores and exits. */
export const leaseSchema = v.pipe(v.number(), v.minValue(10), v.maxValue(oneDaySeconds));
