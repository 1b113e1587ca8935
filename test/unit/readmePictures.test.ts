import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withPictures } from '../../scripts/support/readmePictures.mjs';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const pictures = [...readme.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].map(([, text = '', path = '']) => ({ text, path }));

test('the README has pictures of dashboard, comparison and a client without sockets, small and described', () => {
  assert.deepEqual(
    pictures.map(({ path }) => path),
    ['media/pictures/dashboard.png', 'media/pictures/comparison.png', 'media/pictures/stateless.png'],
  );
  for (const { text, path } of pictures) {
    const { size } = statSync(join(root, path));
    assert.ok(size > 10_000 && size <= 200_000, `${path} has ${size} bytes`);
    assert.ok(text.length > 20, `${path} has a text that stands for it`);
  }
});

test('packed, the pictures are at an https address, or left out', () => {
  const sources = (text: string) => [...text.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, source = '']) => source);
  assert.deepEqual(sources(withPictures(readme, root, undefined)), []);
  assert.deepEqual(sources(withPictures(readme, root, 'https://example.org/c10m/')), [
    'https://example.org/c10m/media/pictures/dashboard.png',
    'https://example.org/c10m/media/pictures/comparison.png',
    'https://example.org/c10m/media/pictures/stateless.png',
  ]);
  assert.throws(() => withPictures(readme, root, 'http://example.org'), /https/);
  assert.throws(() => withPictures('![x](media/pictures/none.png)', root, undefined), /not there/);
});

test('the walkthrough has pictures for each theme, and no text that its view would show as it is', () => {
  const { contributes } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    contributes: { walkthroughs: { steps: { description: string; media: { image: Record<string, string> } }[] }[] };
  };
  const strings = JSON.parse(readFileSync(join(root, 'package.nls.json'), 'utf8')) as Record<string, string>;
  const steps = contributes.walkthroughs.flatMap((walkthrough) => walkthrough.steps);
  assert.equal(steps.length, 4);
  for (const { description, media } of steps) {
    assert.deepEqual(Object.keys(media.image).sort(), ['dark', 'hc', 'hcLight', 'light']);
    for (const path of Object.values(media.image)) assert.ok(statSync(join(root, path)).size <= 200_000, path);
    assert.doesNotMatch(strings[description.slice(1, -1)] ?? '`', /`/);
  }
});
