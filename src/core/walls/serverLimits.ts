/** A setting of a known server that bounds its connections. */
export interface ServerLimit {
  /** `comm` of its processes. */
  program: RegExp;
  title: string;
  setting: string;
  /** How a person reads it. */
  read: string;
}

/** Known servers, as walls are known: which setting bounds the connections, and how to read it. From the manuals of each. */
export const serverLimits: readonly ServerLimit[] = [
  {
    program: /^nginx/,
    title: 'nginx',
    setting: 'worker_connections (for each of worker_processes; a proxied connection takes two)',
    read: 'nginx -T | grep worker_',
  },
  {
    program: /^haproxy/,
    title: 'HAProxy',
    setting: 'maxconn (global, frontend, server)',
    read: 'echo "show info" | socat stdio /run/haproxy/admin.sock | grep -i maxconn',
  },
  { program: /^(redis|valkey)/, title: 'Redis', setting: 'maxclients', read: 'redis-cli CONFIG GET maxclients' },
  { program: /^mosquitto/, title: 'Mosquitto', setting: 'max_connections of the listener', read: 'grep max_connections /etc/mosquitto/mosquitto.conf' },
  { program: /^postgres/, title: 'PostgreSQL', setting: 'max_connections', read: 'psql -c "SHOW max_connections"' },
  { program: /^(sshd|sshd-session)/, title: 'OpenSSH', setting: 'MaxStartups (connections before login)', read: 'sshd -T | grep maxstartups' },
  { program: /^ngircd/, title: 'ngIRCd', setting: 'MaxConnections and MaxConnectionsIP', read: 'ngircd --configtest | grep MaxConnections' },
  {
    program: /^(apache2|httpd)/,
    title: 'Apache',
    setting: 'MaxRequestWorkers and AsyncRequestWorkerFactor',
    read: 'apachectl -t -D DUMP_RUN_CFG; grep -r MaxRequestWorkers /etc/apache2',
  },
  { program: /^memcached/, title: 'memcached', setting: 'the connection limit (-c)', read: 'echo stats settings | nc 127.0.0.1 11211 | grep maxconns' },
  { program: /^nats-server/, title: 'NATS', setting: 'max_connections', read: 'curl -s http://127.0.0.1:8222/varz | grep max_connections' },
  { program: /^(lua|prosody)/, title: 'Prosody', setting: 'network_settings and mod_limits', read: 'prosodyctl check config' },
  {
    program: /^(java|node|MainThread|go|python|pypy|beam)/,
    title: 'its runtime',
    setting: 'the limit of open files of the process',
    read: 'grep "Max open files" /proc/PID/limits',
  },
];

/** One sentence about the setting that bounds the connections of this server; undefined of a server that is not known. */
export function serverLimitText(program: string | undefined): string | undefined {
  const limit = program === undefined ? undefined : serverLimits.find((candidate) => candidate.program.test(program));
  return limit === undefined ? undefined : `The server is ${program} (${limit.title}): its limit is ${limit.setting}; read it with: ${limit.read}`;
}
