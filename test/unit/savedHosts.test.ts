import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changedHosts, parseHosts, readHostAddress, type HostAddress } from '../../src/vscode/savedHosts.js';

const addresses: [written: string, read: HostAddress | RegExp][] = [
  ['web1', { address: 'web1' }],
  [' example.org ', { address: 'example.org' }],
  ['root@10.0.0.2', { address: '10.0.0.2', user: 'root' }],
  ['root@10.0.0.2:2222', { address: '10.0.0.2', user: 'root', port: 2222 }],
  ['root@10.0.0.2:22', { address: '10.0.0.2', user: 'root' }],
  ['ssh -p 2222 root@10.0.0.2', { address: '10.0.0.2', user: 'root', port: 2222 }],
  ['ssh root@10.0.0.2 -p2222 -i ~/.ssh/lab', { address: '10.0.0.2', user: 'root', port: 2222, identityFile: '~/.ssh/lab' }],
  ['ssh -l root 10.0.0.2', { address: '10.0.0.2', user: 'root' }],
  ['ssh://root@example.org:2222', { address: 'example.org', user: 'root', port: 2222 }],
  ['[fe80::1]:2222', { address: 'fe80::1', port: 2222 }],
  ['root@fe80::1', { address: 'fe80::1', user: 'root' }],
  ['', /one word/],
  ['two words', /one word/],
  ['ssh', /one word/],
  ['example.org:99999', /"99999" is not a port/],
  ['ssh -p 99999 example.org', /"99999" is not a port/],
  ['example.org:ssh', /"ssh" is not a port/],
  ['ssh -J jump example.org', /-J of ssh is not understood/],
  ['a@b@c', /is not an address/],
  ['http://example.org/', /is not/],
];

describe('the address of a host, as a person writes it', () => {
  for (const [written, read] of addresses)
    it(`"${written}"`, () => {
      const found = readHostAddress(written);
      if (read instanceof RegExp) assert.match(found as string, read);
      else assert.deepEqual(found, read);
    });
});

it('what cannot be read as a host stays in the setting when another is changed', () => {
  const web = { name: 'web', address: '10.0.0.1', later: true };
  const broken = { name: 'typo', adress: '10.0.0.2' };
  const before = [broken, web, 'nonsense', { name: 'old', address: '10.0.0.3' }];
  const added = { name: 'new', address: '10.0.0.4' };
  assert.deepEqual(changedHosts(before, ['old'], [added]), [added, web, broken, 'nonsense']);
  assert.deepEqual(
    parseHosts(before).map(({ name }) => name),
    ['web', 'old'],
  );
  assert.deepEqual(changedHosts('nonsense', [], [added]), [added]);
});
