import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { globalKey, quick, server, sysctl, type WallCase } from './cases.js';

const build = join(import.meta.dirname, '..', '..', '..', 'dist');

/** A build whose client sets IP_TOS where it should set IP_BIND_ADDRESS_NO_PORT: a client with the defect that the wall is named after. */
function buildWithoutNoPort(): string {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-defect-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  cpSync(build, directory, { recursive: true });
  const worker = join(directory, 'host', 'worker.cjs');
  const text = readFileSync(worker, 'utf8');
  const changed = text.replace('optionBindAddressNoPort = 24', 'optionBindAddressNoPort = 1');
  if (changed === text) throw new Error('the option is not where it was: use a build that is not minified');
  writeFileSync(worker, changed);
  return join(directory, 'cli.js');
}

/**
 * Walls that are put up for real, but not with every test: they take the whole machine, disturb other programs, or need a client with a
 * defect. `record.ts` records them; the unit tests judge the recordings again.
 */
export const recordedCases: (() => WallCase)[] = [
  () => ({
    wall: 'bindWithoutNoPort',
    title: 'a client that binds without the option, 20 local ports, 4 server ports',
    args: ['--connections', '8000', '--ports', '4', ...quick],
    isPredictable: false,
    cli: buildWithoutNoPort(),
    prepare(stage) {
      sysctl(stage, 'net.ipv4.ip_local_port_range', '60000 60019');
      return [];
    },
  }),
  () => ({
    wall: 'orphans',
    beside: ['serverRefusing'],
    title: 'a server that closes 2,000 connections with data on its way, tcp_max_orphans 64',
    args: ['--connections', '2000', '--engine', 'command', '--command', server('generous'), '--hold', '2s', '--tuning', 'none'],
    isPredictable: true,
    isGlobal: true,
    prepare(stage) {
      globalKey(stage, 'net.ipv4.tcp_max_orphans', '64');
      return [];
    },
  }),
  () => ({
    wall: 'memory',
    title: 'all the memory that the guard leaves',
    args: ['--connections', 'max', '--hold', '3s'],
    isPredictable: true,
    isGlobal: true,
    timeoutMs: 590_000,
  }),
];
