import { randomBytes } from 'node:crypto';

/** A run id that sorts by time: `20261123-044512-3f9a1c`, in UTC. */
export function newRunId(now: Date = new Date()): string {
  const stamp = now.toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}

/** What may be the name of a run's directory: nothing that leaves the store. */
export const runIdPattern = /^[0-9A-Za-z-]{1,64}$/;
