/**
 * `npm run test:truth`: real runs beside counters of the kernel that are read and parsed here, as a table of figure, check and difference.
 * Ends with 1 when a difference is beyond its bound. `npm run test:truth -- NAME…`: only the cases whose name holds one of these.
 * `npm run test:stateless`: those of the client without sockets, beside servers that nobody here wrote.
 */
import { messageOf } from '../../src/core/errors.js';
import { holds, tableHead, tableLines, tableText } from './checks.js';
import { truthCases } from './cases.js';
import { makeStatelessCases } from './statelessCases.js';
import { runCase } from './runCase.js';

const isStateless = process.argv[2] === '--stateless';
const names = process.argv.slice(isStateless ? 3 : 2);
const chosen = (isStateless ? makeStatelessCases() : truthCases).filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)));
const rows = [tableHead];
let failures = 0;
const started = performance.now();
for (const truthCase of chosen) {
  console.error(`${truthCase.name}: c10m run ${truthCase.args.join(' ')}`);
  try {
    const checks = await runCase(truthCase);
    rows.push(...tableLines(truthCase.name, checks));
    failures += checks.filter((check) => !holds(check)).length;
  } catch (error) {
    failures++;
    rows.push([truthCase.name, messageOf(error), '', '', '', '', 'FAILS', '']);
  }
}
console.log(tableText(rows));
console.log(`${rows.length - 1} figures, ${failures} beyond their bound, ${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exitCode = failures > 0 || chosen.length === 0 ? 1 : 0;
