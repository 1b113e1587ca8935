/** Rewrites the section *What it changes on your host* of the README from the list of keys. */
import { readFileSync, writeFileSync } from 'node:fs';
import { hostChangesMarks, hostChangesText } from '../src/core/hostChanges.js';

const path = new URL('../README.md', import.meta.url);
const readme = readFileSync(path, 'utf8');
const begin = readme.indexOf(hostChangesMarks.begin);
const end = readme.indexOf(hostChangesMarks.end);
if (begin === -1 || end < begin) throw new Error(`README.md does not hold the marks ${hostChangesMarks.begin} and ${hostChangesMarks.end}`);
writeFileSync(path, `${readme.slice(0, begin + hostChangesMarks.begin.length)}\n\n${hostChangesText()}\n\n${readme.slice(end)}`);
