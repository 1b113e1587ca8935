import { constants } from 'node:os';

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) if (!names.has(number)) names.set(number, name);
names.set(constants.errno.EAGAIN, 'EAGAIN');

/** Numbers of the errors that code branches on. They are those of Linux on every architecture with Node. */
export const errnos = {
  EINTR: constants.errno.EINTR,
  EAGAIN: constants.errno.EAGAIN,
  EINPROGRESS: constants.errno.EINPROGRESS,
  EMFILE: constants.errno.EMFILE,
  ENFILE: constants.errno.ENFILE,
  ENOBUFS: constants.errno.ENOBUFS,
  ENOMEM: constants.errno.ENOMEM,
  ENOSPC: constants.errno.ENOSPC,
  ENOENT: constants.errno.ENOENT,
  EPIPE: constants.errno.EPIPE,
  EPROTO: constants.errno.EPROTO,
  ECONNABORTED: constants.errno.ECONNABORTED,
  ECONNRESET: constants.errno.ECONNRESET,
  EADDRNOTAVAIL: constants.errno.EADDRNOTAVAIL,
  EADDRINUSE: constants.errno.EADDRINUSE,
} as const;

/** The name of an errno as in errno(3), such as `EMFILE`; `E123` for a number that has none. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** A limit of the host or of the process: trying again at once cannot help. */
export function isHardLimit(errno: number): boolean {
  return (
    errno === errnos.EMFILE ||
    errno === errnos.ENFILE ||
    errno === errnos.ENOBUFS ||
    errno === errnos.ENOMEM ||
    errno === errnos.ENOSPC ||
    errno === errnos.EADDRNOTAVAIL
  );
}

const explanations: Record<string, string> = {
  EMFILE: 'This process may not open more files (RLIMIT_NOFILE).',
  ENFILE: 'The host may not open more files (fs.file-max).',
  EADDRNOTAVAIL: 'No free local port is left towards this destination, or the source address is not on this host.',
  EADDRINUSE: 'Every local port of this source address is taken.',
  ENOSPC: 'No more sockets may be watched by epoll (fs.epoll.max_user_watches).',
  ENOBUFS: 'The kernel has no memory for another socket.',
  ENOMEM: 'The kernel has no memory for another socket.',
};

/** One sentence on a hard limit, or the name of the error. */
export function explainErrno(errno: number): string {
  const name = errnoName(errno);
  return explanations[name] ?? name;
}
