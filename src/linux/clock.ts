/** Milliseconds of CLOCK_MONOTONIC, which is the same for all processes of a host. */
export function hostClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
