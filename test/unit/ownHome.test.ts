import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlaceOf, ownDirectory, ownHome } from '../../src/files/ownHome.js';

const isRoot = process.getuid?.() === 0;

test(
  'files go to the home of the user that writes them, whatever HOME says',
  { skip: process.platform === 'win32' ? 'HOME is no variable of Windows' : false },
  (t) => {
    const before = process.env.HOME;
    const directory = mkdtempSync(join(tmpdir(), 'c10m-home-'));
    t.after(() => {
      process.env.HOME = before;
      rmSync(directory, { recursive: true, force: true });
    });
    const another = join(directory, 'ann');
    mkdirSync(another);
    if (isRoot) chownSync(another, 1, 1);
    const own = userInfo().homedir;
    const table: [string, string | undefined, string][] = [
      [directory, undefined, join(directory, '.config')],
      [directory, '/absolute/of-nobody', '/absolute/of-nobody'],
      [directory, 'relative', join(directory, '.config')],
      ['', '', join(own, '.config')],
      ['relative', 'also/relative', join(own, '.config')],
      // sudo keeps its caller's HOME.
      ...(isRoot ? ([[another, join(another, 'xdg'), join(own, '.config')]] as [string, string, string][]) : []),
    ];
    for (const [home, variable, expected] of table) {
      process.env.HOME = home;
      assert.equal(ownDirectory(variable, '.config'), expected, JSON.stringify([home, variable]));
    }
    process.env.HOME = 'relative';
    assert.equal(ownHome(), own);
    assert.equal(isPlaceOf(join(another, 'deep', 'below'), 1_000), true, 'for anybody but root the rights decide');
  },
);
