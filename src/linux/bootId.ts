import { readText } from './procfs.js';

/** Names this boot of the host: pids, start times and values of keys mean nothing in another. */
export function readBootId(): string {
  return (readText('/proc/sys/kernel/random/boot_id') ?? 'unknown').trim();
}
