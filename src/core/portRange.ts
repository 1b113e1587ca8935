/** First and last port, both included. */
export interface PortRange {
  first: number;
  last: number;
}

/** All ports that need no privilege; ends of different parity, as the kernel asks. */
export const widestPortRange: PortRange = { first: 1_024, last: 65_535 };

/** The text of `ip_local_port_range`; null when it is no range. */
export function parsePortRange(text: string | null): PortRange | null {
  const [first, last] = (text ?? '').trim().split(/\s+/).map(Number);
  return first === undefined || last === undefined || !Number.isInteger(first) || !Number.isInteger(last) || last < first ? null : { first, last };
}
