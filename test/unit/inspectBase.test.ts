import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspectScript, nothingExcluded, parseInspection } from '../../src/transport/hostScripts.js';

test('the agent goes to a directory that is ours alone and that every login shell can name', { skip: process.platform !== 'linux' }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-inspect-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const home = (name: string, mode?: number) => {
    const path = join(directory, name);
    mkdirSync(join(path, '.cache', 'c10m'), { recursive: true });
    if (mode !== undefined) chmodSync(join(path, '.cache', 'c10m'), mode);
    return path;
  };
  const plain = home('plain');
  const table: [name: string, home: string, cache: string, base: RegExp, rejected: RegExp | undefined][] = [
    ['a plain home', plain, '', /\/plain\/\.cache\/c10m$/, undefined],
    ['a home with a space', home('a b'), '', /\/a b\/\.cache\/c10m$/, undefined],
    ['a relative XDG_CACHE_HOME', plain, 'not/absolute', /\/plain\/\.cache\/c10m$/, undefined],
    ['an absolute XDG_CACHE_HOME', plain, join(plain, '.cache'), /\/plain\/\.cache\/c10m$/, undefined],
    ['no home', '', '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, undefined],
    ['a relative home', 'home', '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, undefined],
    ['a quote', home("it's"), '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, /not every login shell/],
    ['a backslash', home('back\\slash'), '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, /not every login shell/],
    ['an exclamation mark', home('a!b'), '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, /not every login shell/],
    ['a cache that others can write', home('open', 0o777), '', /^\/(var\/)?tmp\/c10m-|^\/dev\/shm\/c10m-/, /can be written by others/],
  ];
  for (const [name, HOME, XDG_CACHE_HOME, base, rejected] of table) {
    const { stdout } = spawnSync('sh', ['-s'], {
      input: inspectScript({ digests: {}, nodeDirectories: [], wantsSudo: false, excluded: nothingExcluded }),
      env: { PATH: '/usr/bin:/bin', HOME, XDG_CACHE_HOME },
      encoding: 'utf8',
    });
    const found = parseInspection(stdout);
    assert.match(found?.base ?? '', base, name);
    if (rejected === undefined) assert.deepEqual(found?.rejected, [], name);
    else assert.match(found?.rejected.join() ?? '', rejected, name);
  }
});
