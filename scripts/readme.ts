/** `npm run readme`: rewrites the parts of the README that repeat what the code says. A unit test fails while they differ. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withBlocks } from './readmeBlocks.js';

const path = new URL('../README.md', import.meta.url);
writeFileSync(path, withBlocks(readFileSync(path, 'utf8')));
