import { writeFileSync } from 'node:fs';
import { lastErrno, libc } from './libc.js';
import { errnoName } from './errno.js';

export interface FileLimit {
  soft: number;
  hard: number;
}

const resourceNofile = 7;
const resourceCore = 4;
const prSetPdeathsig = 1;

/** RLIMIT_NOFILE of this process. */
export function getNofile(): FileLimit {
  const limits = new BigUint64Array(2);
  if (libc().getrlimit(resourceNofile, new Uint8Array(limits.buffer)) !== 0) throw new Error(`getrlimit: ${errnoName(lastErrno())}`);
  return { soft: Number(limits[0]), hard: Number(limits[1]) };
}

/**
 * Sets RLIMIT_NOFILE of this process to `wanted`, or as near as the host permits: the hard limit is raised where the
 * process may (CAP_SYS_RESOURCE, up to fs.nr_open), otherwise the soft limit goes to the hard one at most. A limit below
 * the present hard limit lowers the soft limit only, so that it can be undone.
 * @returns the soft limit that holds now.
 */
export function setNofile(wanted: number): number {
  const before = getNofile();
  if (wanted > before.hard && set(wanted, wanted)) return wanted;
  set(Math.min(wanted, before.hard), before.hard);
  return getNofile().soft;
}

function set(soft: number, hard: number): boolean {
  const limits = new BigUint64Array([BigInt(soft), BigInt(hard)]);
  return libc().setrlimit(resourceNofile, new Uint8Array(limits.buffer)) === 0;
}

/** No core file of this process is ever written: its memory holds keys. */
export function forbidCoreDumps(): void {
  libc().setrlimit(resourceCore, new Uint8Array(16));
}

/** Makes the kernel send this signal when the parent ends, however it ends. The caller must then check that its parent still lives. */
export function setParentDeathSignal(signal: number): boolean {
  return libc().prctl(prSetPdeathsig, signal, 0, 0, 0) === 0;
}

const prSetChildSubreaper = 36;

/**
 * Makes this process the parent of every descendant that loses its own, whatever it does to get away (fork, daemonize, setsid): nothing
 * that it starts can leave its tree (prctl(2), PR_SET_CHILD_SUBREAPER). False where the kernel refuses.
 */
export function becomeSubreaper(): boolean {
  return libc().prctl(prSetChildSubreaper, 1, 0, 0, 0) === 0;
}

const waitNoHang = 1;
const status = new Uint8Array(4);

/** Takes the exit status of a child that ended, so that no zombie stays. Not for children that Node started: it waits for them itself. */
export function reapChild(pid: number): void {
  libc().waitpid(pid, status, waitNoHang);
}

/** Raises (or lowers, with privilege) the likelihood of being chosen when memory runs out: −1000 to 1000. False when not permitted. */
export function setOomScoreAdjust(value: number, pid: number | 'self' = 'self'): boolean {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
    return true;
  } catch {
    return false;
  }
}
