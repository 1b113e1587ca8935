import assert from 'node:assert/strict';
import type { FaultCase } from './cases.js';
import { stateDirectory } from './remoteRun.js';

const spec = { client: 'stateless' as const, protocol: 'both' as const, connections: 600 };
const ann = {
  user: 'ann',
  // As udev makes it: everybody may open it, and the kernel asks for CAP_NET_ADMIN in the namespace. Here it may be root's alone.
  variants: {
    users: [{ name: 'ann' }],
    setup: 'mkdir -p /run/net && mknod -m 666 /run/net/tun c 10 200 && mount --bind /run/net/tun /dev/net/tun',
  },
  prepare: (host: Parameters<NonNullable<FaultCase['prepare']>>[0]) => host.exec(`mkdir -p ${stateDirectory}-ann && chown ann: ${stateDirectory}-ann`),
};

/** A device, its address and its route must be gone whoever dies; each twice, as root and as a user in a user namespace. */
export const statelessCases: readonly FaultCase[] = [
  { isUser: false, as: 'as root' },
  { isUser: true, as: 'as a user' },
].flatMap(({ isUser, as }) => {
  const base = { spec, ...(isUser ? ann : {}) };
  return [
    {
      ...base,
      name: `without client sockets, ${as}`,
      fault: () => Promise.resolve(),
      verdict: 'finished',
      check({ summary }) {
        assert.deepEqual(summary.established, { server: 600, client: 600 });
        assert.equal(summary.bytesPerPair, null, 'there are no pairs');
        assert.deepEqual([summary.lost, summary.failed.total], [0, 0]);
        return 'accepts and client agree';
      },
    },
    {
      ...base,
      name: `without client sockets, ${as}, kill -9 of the client worker`,
      fault: ({ run }) => run.kill('client'),
      verdict: 'failed',
      reason: /client worker .* SIGKILL/,
    },
    {
      ...base,
      name: `without client sockets, ${as}, kill -9 of a server worker`,
      fault: ({ run }) => run.kill('server'),
      verdict: 'failed',
      reason: /server worker .* SIGKILL/,
    },
    {
      ...base,
      name: `without client sockets, ${as}, kill -9 of the supervisor`,
      isTypical: true,
      fault: ({ run }) => run.kill('supervisor'),
      verdict: 'failed',
      reason: /supervisor .* killed/,
    },
    { ...base, name: `without client sockets, ${as}, kill -9 of the guardian`, fault: ({ run }) => run.kill('guardian'), verdict: 'finished' },
  ] satisfies FaultCase[];
});
