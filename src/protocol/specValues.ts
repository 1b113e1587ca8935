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

export const engineSchema = v.picklist(['epoll', 'node', 'command']);

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
