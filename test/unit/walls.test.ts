import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { wallCatalogue } from '../../src/core/walls/catalogue.js';

const directory = new URL('../../docs/walls/', import.meta.url);

it('every wall has a page with its title, and every page a wall', () => {
  const pages = readdirSync(directory).filter((name) => name !== 'README.md');
  assert.deepEqual(
    pages.sort(),
    Object.keys(wallCatalogue)
      .map((id) => `${id}.md`)
      .sort(),
  );
  const index = readFileSync(new URL('README.md', directory), 'utf8');
  for (const [id, { title }] of Object.entries(wallCatalogue)) {
    const page = readFileSync(new URL(`${id}.md`, directory), 'utf8');
    assert.ok(page.startsWith(`# ${title}\n\n\`${id}\`\n`), id);
    for (const heading of ['How it is recognised', 'What to do', 'Look yourself']) assert.ok(page.includes(`## ${heading}\n`), `${id}: ${heading}`);
    assert.ok(index.includes(`[${title}](${id}.md)`), `${id} in the index`);
  }
});
