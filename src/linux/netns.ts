import { readlinkSync } from 'node:fs';
import { bringInterfaceUp } from './hostCalls.js';

/** How a process gets a network namespace of its own: as root, or as root of a user namespace of its own. */
export type NamespaceKind = 'netns' | 'userns';

/** The command and the leading arguments that run a program in a new network namespace. util-linux and BusyBox both have `unshare`. */
export function unshareCommand(kind: NamespaceKind): { command: string; args: string[] } {
  return kind === 'netns' ? { command: 'unshare', args: ['--net', '--'] } : { command: 'unshare', args: ['--user', '--map-root-user', '--net', '--'] };
}

/** A new namespace begins with `lo` down: without this even 127.0.0.1 is unreachable. */
export function bringLoopbackUp(): void {
  bringInterfaceUp('lo');
}

/** Names the network namespace of a process (`net:[4026531840]`); undefined when it is gone or may not be seen. */
export function networkNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
