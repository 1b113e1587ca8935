import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import { specFor } from '../faults/remoteRun.js';
import { openRelayWithState } from '../support/localRelay.js';
import { postgresBinary, upstream } from './daemons.js';
import { has } from './programs.js';
import { skipServers } from './serverCase.js';

interface LimitCase {
  needs: readonly string[];
  /** What the server takes, and what is asked for. */
  limit: number;
  target: number;
  /** Of the limit, what is held at least. */
  fewestShare?: number;
  /** The setting that the wall must name. */
  setting: RegExp;
  prepare?: (directory: string) => void;
  spec: (directory: string) => Partial<RunSpecInput>;
}

const asUser = (user: string) => `setpriv --reuid=${user} --regid=${user} --clear-groups`;

/** Each server with its own limit below what is asked for. */
const limits: Readonly<Record<string, LimitCase>> = {
  'redis maxclients': {
    needs: ['redis-server'],
    limit: 1_000,
    target: 2_000,
    setting: /maxclients/,
    spec: () => ({ opening: 'redis', command: 'exec redis-server --port {port} --bind {address} --save "" --maxclients 1000' }),
  },
  'nginx worker_connections': {
    needs: ['nginx'],
    limit: 1_000,
    target: 2_000,
    setting: /worker_connections/,
    // The kernel shares connections out over the workers by chance, and the first full one refuses.
    fewestShare: 0.7,
    spec: () => ({
      opening: 'http-keepalive',
      configTemplate:
        'daemon off; pid {directory}/nginx.pid; error_log stderr; worker_processes 2; events { worker_connections 500; } http { access_log off; keepalive_timeout 600; server { listen {address}:{port} backlog=4096 reuseport; location / { return 204; } } }',
      command: 'exec nginx -c {config} -p {directory}',
    }),
  },
  'HAProxy maxconn': {
    needs: ['haproxy', '/usr/bin/python3'],
    limit: 1_000,
    target: 2_000,
    setting: /maxconn/,
    spec: () => ({
      configTemplate:
        'global\n  maxconn 1000\ndefaults\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\nlisten tcp\n  mode tcp\n  bind {address}:{port} backlog 4096\n  server one 127.0.0.1:19999\n',
      command: `${upstream} exec haproxy -f {config}`,
    }),
  },
  'mosquitto max_connections': {
    needs: ['mosquitto'],
    limit: 1_000,
    target: 2_000,
    setting: /max_connections/,
    spec: () => ({
      opening: 'mqtt',
      configTemplate: 'listener {port} {address}\nallow_anonymous true\nmax_connections 1000\n',
      command: 'exec mosquitto -c {config}',
    }),
  },
  'PostgreSQL max_connections': {
    needs: ['/usr/lib/postgresql', 'setpriv'],
    limit: 97,
    target: 1_000,
    setting: /max_connections/,
    prepare: (directory) =>
      execFileSync('sh', ['-c', `install -d -o postgres ${directory}/data && ${asUser('postgres')} ${postgresBinary}/initdb -A trust -D ${directory}/data`], {
        stdio: 'pipe',
      }),
    spec: (directory) => ({
      opening: 'postgres',
      command: `cd / && exec ${asUser('postgres')} ${postgresBinary}/postgres -D ${directory}/data -p {port} -h {address} -k ${directory}/data -N 97 -c superuser_reserved_connections=0`,
    }),
  },
  'sshd MaxStartups': {
    needs: ['sshd', 'ssh-keygen'],
    limit: 100,
    target: 1_000,
    setting: /MaxStartups/,
    prepare: (directory) => execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')]),
    spec: (directory) => ({
      opening: { steps: [{ expect: { prefix: 'SSH-2.0-' } }] },
      command: `mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -f /dev/null -h ${directory}/key -p {port} -o ListenAddress={address} -o MaxStartups=100 -o PidFile=none -o PerSourceMaxStartups=none`,
    }),
  },
  'ngIRCd MaxConnections': {
    needs: ['ngircd'],
    limit: 500,
    target: 1_000,
    setting: /MaxConnections/,
    spec: () => ({
      opening: 'irc',
      configTemplate:
        '[Global]\nName = irc.test\nInfo = test\nPorts = {port}\nListen = {address}\nServerUID = irc\nServerGID = irc\n[Limits]\nMaxConnections = 500\nMaxConnectionsIP = 0\nMaxListSize = 0\n[Options]\nDNS = no\nIdent = no\nPAM = no\n',
      command: 'chmod 755 {directory} && exec ngircd -n -f {config}',
    }),
  },
};

const longestSeconds = 30;
const results: { limit: string; held: number; asked: number; attempts: number; seconds: string; wall: string }[] = [];

/** Part of `npm run test:servers`: the limit of each server is named, it is asked a bounded number of times, and the run ends soon. */
describe('limits of servers', { skip: skipServers, timeout: 600_000 }, () => {
  after(() => console.table(results));
  for (const [name, { needs, limit, target, fewestShare = 0.9, setting, prepare, spec }] of Object.entries(limits)) {
    const missing = needs.filter((program) => !has(program));
    it(name, { skip: missing.length === 0 ? false : `${missing.join(', ')} not installed`, timeout: 90_000 }, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'c10m-limit-'));
      t.after(() => rmSync(directory, { recursive: true, force: true }));
      execFileSync('chmod', ['755', directory]);
      prepare?.(directory);
      const relay = openRelayWithState(t);
      const runSpec = specFor({ connections: target, engine: 'command', ports: 1, firstPort: 20_022, holdSeconds: 1, leaseSeconds: 60, ...spec(directory) });
      await relay.value((id) => ({ type: 'start', id, runId: 'limit', owner: 'me', spec: runSpec }));
      const ramping = await relay.waitFor('phase', ({ phase }) => phase === 'ramping');
      const { summary, t: endedAt } = await relay.waitFor('summary');
      const opened = Math.max(...relay.events.flatMap((event) => (event.type === 'sample' ? [event.ramp?.opened ?? 0] : [])));
      const attempts = opened + summary.failed.total;
      const seconds = (endedAt - ramping.t) / 1_000;
      const wall = summary.walls[0];
      results.push({ limit: name, held: summary.established.server, asked: target, attempts, seconds: seconds.toFixed(1), wall: wall?.id ?? 'none' });
      assert.ok(wall !== undefined && ['serverRefusing', 'serverStopped'].includes(wall.id), JSON.stringify(summary.walls));
      assert.match(wall.evidence, setting);
      assert.ok(attempts <= target * 1.02, `${attempts} attempts for ${target}`);
      assert.ok(seconds <= longestSeconds, `${seconds} s`);
      assert.ok(summary.established.server <= limit && summary.established.server >= limit * fewestShare, `${summary.established.server} held of ${limit}`);
      assert.equal(summary.hostRestored, true);
    });
  }
});
