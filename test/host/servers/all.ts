import { after, describe } from 'node:test';
import { daemons } from './daemons.js';
import { runtimes } from './runtimes.js';
import { results, skipServers, testServers } from './serverCase.js';

/** `npm run test:servers`: every server of the table, beside its own counter and a sum of memory of our own. */
describe('servers that people have', { skip: skipServers, timeout: 900_000 }, () => {
  after(() => console.table(results));
  testServers({ ...daemons, ...runtimes });
});
