import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { askSocket, numberIn, programs } from './programs.js';
import type { ServerCase } from './serverCase.js';

const ask = (port: number, text: string, pattern: string) => ['/usr/bin/python3', join(programs, 'ask.py'), String(port), text, pattern];

export const nginxHead =
  'daemon off; pid {directory}/nginx.pid; error_log stderr; worker_processes 2; worker_rlimit_nofile 16384; events { worker_connections 16000; }';
const nginxStatus = (directory: string) => `server { listen unix:${directory}/status.sock; location / { stub_status; } }`;
const nginxCount = async ({ directory }: { directory: string }) =>
  numberIn(await askSocket(join(directory, 'status.sock'), 'GET / HTTP/1.0\r\n\r\n'), /Active connections: (\d+)/);

/** A server behind a proxy: it takes connections and says nothing. */
export const upstream = `/usr/bin/python3 -c 'import socket; s=socket.create_server(("127.0.0.1", 19999), backlog=4096); a=[]\nwhile True: a.append(s.accept())' & sleep 0.5;`;
const haproxyCount = async ({ directory }: { directory: string }) =>
  numberIn(await askSocket(join(directory, 'haproxy.sock'), 'show info\n'), /^CurrConns: (\d+)/m);
const haproxyHead = (directory: string) =>
  `global\n  maxconn 9000\n  stats socket ${directory}/haproxy.sock\ndefaults\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n  timeout tunnel 10m\n`;

const headRequest = 'HEAD /nothing HTTP/1.1\r\nHost: {host}\r\n\r\n';

const postgresFolder = '/usr/lib/postgresql';
export const postgresBinary = `$(ls -d ${postgresFolder}/*/bin | tail -1)`;

/** Daemons of Debian packages. */
export const daemons: Readonly<Record<string, ServerCase>> = {
  'nginx, HTTP': {
    needs: ['nginx'],
    connections: 20_000,
    spec: ({ directory }) => ({
      opening: 'http-keepalive',
      ports: 1,
      serverProcesses: 2,
      configTemplate: `${nginxHead} http { access_log off; keepalive_timeout 600; ${nginxStatus(directory)} server { listen {address}:{port} backlog=4096 reuseport; location / { return 204; } } }`,
      command: 'exec nginx -c {config} -p {directory}',
    }),
    count: nginxCount,
    beside: 1,
  },
  'nginx, stream proxy': {
    needs: ['nginx', '/usr/lib/nginx/modules/ngx_stream_module.so', '/usr/bin/python3'],
    connections: 5_000,
    spec: ({ directory }) => ({
      ports: 1,
      configTemplate: `load_module /usr/lib/nginx/modules/ngx_stream_module.so; ${nginxHead} stream { server { listen {address}:{port} backlog=4096; proxy_pass 127.0.0.1:19999; } } http { ${nginxStatus(directory)} }`,
      command: `${upstream} exec nginx -c {config} -p {directory}`,
    }),
    count: nginxCount,
    beside: 1,
    expect: ({ foreign, established }) =>
      assert.ok(
        Math.abs((foreign?.upstream ?? 0) / established.server - 2) <= 0.04,
        `both ends of the upstream connections are a line of their own: ${JSON.stringify(foreign)}`,
      ),
  },
  'HAProxy, TCP': {
    needs: ['haproxy', '/usr/bin/python3'],
    connections: 5_000,
    spec: ({ directory }) => ({
      ports: 1,
      configTemplate: `${haproxyHead(directory)}listen tcp\n  mode tcp\n  maxconn 9000\n  bind {address}:{port} backlog 4096\n  server one 127.0.0.1:19999\n`,
      command: `${upstream} exec haproxy -f {config}`,
    }),
    count: haproxyCount,
  },
  'HAProxy, WebSocket': {
    needs: ['haproxy', '/usr/bin/python3', 'python3:websockets'],
    connections: 2_000,
    spec: ({ directory }) => ({
      protocol: 'websocket',
      ports: 1,
      configTemplate: `${haproxyHead(directory)}listen web\n  mode http\n  maxconn 9000\n  bind {address}:{port} backlog 4096\n  server one 127.0.0.1:19998\n`,
      command: `C10M_PORTS=19998 /usr/bin/python3 ${join(programs, 'server.py')} websockets ${directory}/count.sock & sleep 1; exec haproxy -f {config}`,
    }),
    count: haproxyCount,
  },
  redis: {
    needs: ['redis-server'],
    connections: 9_000,
    spec: {
      opening: 'redis',
      firstPort: 6379,
      ports: 1,
      command: 'exec redis-server --port {port} --bind {address} --save "" --maxclients 12000 --tcp-backlog 4096',
    },
    count: ({ inNamespace }) => numberIn(inNamespace(['redis-cli', '-p', '6379', 'info', 'clients']), /connected_clients:(\d+)/),
    beside: 1,
  },
  'mosquitto, two processes': {
    needs: ['mosquitto', 'mosquitto_sub'],
    connections: 20_000,
    spec: {
      opening: 'mqtt',
      firstPort: 1883,
      ports: 2,
      serverProcesses: 2,
      holdSeconds: 9,
      command:
        'for port in 1883 1884; do printf "listener $port {address}\\nallow_anonymous true\\nsys_interval 1\\nmax_connections -1\\n" > {directory}/$port.conf; mosquitto -c {directory}/$port.conf & done; wait',
    },
    count: ({ inNamespace }) => {
      const topic = '$SYS/broker/clients/connected';
      const values = ['1883', '1884'].map((port) => Number(inNamespace(['mosquitto_sub', '-p', port, '-t', topic, '-C', '1', '-W', '3'])));
      return values.reduce((sum, value) => sum + value, 0);
    },
  },
  PostgreSQL: {
    needs: [postgresFolder, 'setpriv'],
    connections: 500,
    isSlowToRead: true,
    prepare({ directory }) {
      const script = `install -d -o postgres ${directory}/data && setpriv --reuid=postgres --regid=postgres --clear-groups ${postgresBinary}/initdb -A trust -D ${directory}/data`;
      execFileSync('sh', ['-c', script], { stdio: 'pipe' });
    },
    spec: ({ directory }) => ({
      opening: 'postgres',
      firstPort: 5432,
      ports: 1,
      rate: 500,
      holdSeconds: 15,
      command: `cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups ${postgresBinary}/postgres -D ${directory}/data -p {port} -h {address} -k ${directory}/data -N 600 -c shared_buffers=32MB`,
    }),
    count: ({ directory }) =>
      Number(
        execFileSync(
          'psql',
          [
            '-U',
            'postgres',
            '-h',
            join(directory, 'data'),
            '-At',
            '-c',
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
            'postgres',
          ],
          { encoding: 'utf8' },
        ),
      ),
    beside: 1,
  },
  ngircd: {
    needs: ['ngircd', '/usr/bin/python3'],
    connections: 2_000,
    spec: {
      opening: 'irc',
      firstPort: 6667,
      ports: 1,
      configTemplate:
        '[Global]\nName = irc.test\nInfo = test\nPorts = {port}\nListen = {address}\nServerUID = irc\nServerGID = irc\n[Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxListSize = 0\n[Options]\nDNS = no\nIdent = no\nPAM = no\n',
      command: 'chmod 755 {directory} && exec ngircd -n -f {config}',
    },
    count: ({ inNamespace }) => numberIn(inNamespace(ask(6667, 'NICK oracle\\r\\nUSER o 0 * :o\\r\\nLUSERS\\r\\n', 'I have .* users')), /I have (\d+) users/),
    beside: 1,
  },
  prosody: {
    needs: ['prosody', 'prosodyctl'],
    connections: 1_000,
    spec: ({ directory }) => ({
      opening: 'xmpp',
      firstPort: 5222,
      ports: 1,
      configTemplate: `pidfile = "${directory}/prosody.pid"\ndata_path = "${directory}"\nadmin_socket = "${directory}/admin.sock"\nlog = { warn = "*console" }\nmodules_enabled = { "admin_shell"; "saslauth"; "roster" }\nmodules_disabled = { "s2s" }\nc2s_ports = { {port} }\nc2s_interfaces = { "{address}" }\ns2s_ports = { }\nc2s_require_encryption = false\nallow_unencrypted_plain_auth = true\nnetwork_settings = { tcp_backlog = 4096 }\nVirtualHost "localhost"\n`,
      command: `cp {config} ${directory}/prosody.lua && chown -R prosody ${directory} && cd ${directory} && exec setpriv --reuid=prosody --regid=prosody --clear-groups prosody --config ${directory}/prosody.lua -F`,
    }),
    count: ({ directory }) =>
      numberIn(
        execFileSync('sh', ['-c', `prosodyctl --config ${directory}/prosody.lua shell 'c2s:count()' 2>&1 || true`], { encoding: 'utf8' }),
        /Total: (\d+) clients/,
      ),
  },
  'Apache, event': {
    needs: ['/usr/lib/apache2/modules/mod_mpm_event.so', '/usr/bin/python3'],
    connections: 1_000,
    // Its counters move when a time limit of its own passes.
    settleSeconds: 8,
    spec: {
      opening: {
        steps: [{ send: headRequest }, { expect: { prefix: 'HTTP/1.1 404' } }, { expect: { contains: '\r\n\r\n' } }],
        keepAlive: { everySeconds: 2, send: headRequest, expect: 'HTTP/1.1 404' },
      },
      holdSeconds: 12,
      firstPort: 8_080,
      ports: 1,
      // Faster, all threads are busy for moments, and it closes what it was to keep alive.
      rate: 200,
      configTemplate: [
        'ServerRoot {directory}',
        'ServerName localhost',
        'PidFile {directory}/apache.pid',
        'DefaultRuntimeDir {directory}',
        'ErrorLog {directory}/error.log',
        'User www-data',
        'Group www-data',
        'ListenBacklog 4096',
        'Listen {address}:{port}',
        ...['mpm_event', 'status', 'authz_core'].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
        'KeepAlive On',
        'KeepAliveTimeout 6',
        'MaxKeepAliveRequests 0',
        'ThreadsPerChild 64',
        'StartServers 4',
        'ServerLimit 4',
        'MaxRequestWorkers 256',
        'AsyncRequestWorkerFactor 200',
        'MaxSpareThreads 256',
        'DocumentRoot /usr',
        '<Location "/status">\n  SetHandler server-status\n  Require all granted\n</Location>',
        '',
      ].join('\n'),
      command: 'chmod 755 {directory} && exec /usr/sbin/apache2 -f {config} -DFOREGROUND',
    },
    count: ({ inNamespace }) => numberIn(inNamespace(ask(8_080, 'GET /status?auto HTTP/1.0\\r\\n\\r\\n', 'Scoreboard')), /ConnsTotal: (\d+)/),
  },
  'redis in the background': {
    needs: ['redis-server'],
    connections: 1_000,
    spec: { firstPort: 6379, ports: 1, command: 'redis-server --port {port} --bind {address} --save "" --daemonize yes' },
    count: ({ inNamespace }) => numberIn(inNamespace(['redis-cli', '-p', '6379', 'info', 'clients']), /connected_clients:(\d+)/),
    beside: 1,
  },
  memcached: {
    needs: ['memcached', '/usr/bin/python3'],
    connections: 5_000,
    spec: { opening: 'memcached', firstPort: 11_211, ports: 1, command: 'exec memcached -u root -p {port} -l {address} -c 8000 -b 4096' },
    count: ({ inNamespace }) => numberIn(inNamespace(ask(11_211, 'stats\\r\\n', 'END')), /STAT curr_connections (\d+)/),
    beside: 1,
  },
  NATS: {
    needs: ['nats-server', '/usr/bin/python3'],
    connections: 2_000,
    spec: { opening: 'nats', firstPort: 4222, ports: 1, command: 'exec nats-server -a {address} -p {port} -m 8222' },
    count: ({ inNamespace }) => numberIn(inNamespace(ask(8_222, 'GET /varz HTTP/1.0\\r\\n\\r\\n', '"connections": \\d+,')), /"connections": (\d+),/),
  },
};
