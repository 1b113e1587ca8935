import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/attempt.js';
import { type TestHost } from '../support/host.js';
import { command } from '../support/lab.js';
import { type Laptop } from '../support/laptop.js';
import { ann, describeSshCases, replaceKnownHosts, replaceLine, testPayload } from '../support/sshCases.js';

/** A relay program that every machine with Node has. */
function replaceProxy(laptop: Laptop, host: TestHost): void {
  const script = join(laptop.home, 'proxy.cjs');
  writeFileSync(script, `const s = require('node:net').connect(Number(process.argv[3]), process.argv[2]); process.stdin.pipe(s).pipe(process.stdout);`);
  const text = readFileSync(laptop.configFile, 'utf8').replace(/ {2}ProxyCommand .*/, `  ProxyCommand ${process.execPath} ${script} %h %p`);
  writeFileSync(laptop.configFile, text.replace(`HostName ${host.address}`, `HostName ${host.address}`));
}

/** Empties known_hosts: only the command knows the host. `script` is given the host's lines as they were. */
function knownByCommand(laptop: Laptop, script: (lines: string) => string): void {
  const [program, lines] = [join(laptop.home, 'known'), join(laptop.home, 'lines')];
  writeFileSync(lines, readFileSync(laptop.knownHostsFile));
  writeFileSync(laptop.knownHostsFile, '');
  writeFileSync(program, `#!/bin/sh\n${script(lines)}\n`, { mode: 0o755 });
  appendFileSync(laptop.configFile, `  KnownHostsCommand ${program} %H %I\n`);
}

describeSshCases('the way there', [
  {
    name: 'IPv6',
    prepare: (l, h) => {
      // Given on the spot: the lab's own addresses are IPv4.
      command('ip', ['-n', h.networkNamespace, 'addr', 'add', `fd10:211:${h.lab.number}::2/64`, 'dev', 'eth0', 'nodad']);
      command('ip', ['addr', 'replace', `fd10:211:${h.lab.number}::1/64`, 'dev', h.lab.bridge, 'nodad']);
      replaceLine(l, `HostName ${h.address}`, `HostName fd10:211:${h.lab.number}::2`);
      replaceKnownHosts(l, (text) => text.replaceAll(h.address, `fd10:211:${h.lab.number}::2`));
    },
    expect: 'root',
  },
  { name: 'a refused port', lines: [], prepare: (l) => replaceLine(l, 'Port 22', 'Port 1'), expect: 'unreachable', says: /port 1 refused the connection/ },
  {
    name: 'an unknown name',
    prepare: (l, h) => replaceLine(l, `HostName ${h.address}`, 'HostName no-such-host.invalid'),
    expect: 'unreachable',
    says: /no-such-host\.invalid was not found/,
  },
  {
    name: 'no answer',
    lines: ['ConnectTimeout 1'],
    prepare: (_, h) => h.exec(`nft add table inet t; nft add chain inet t i '{ type filter hook input priority 0; }'; nft add rule inet t i tcp dport 22 drop`),
    expect: 'unreachable',
    says: /did not answer within 1 s/,
  },
  {
    name: 'a port where something else answers',
    lines: ['ConnectTimeout 3'],
    prepare: (l) => replaceLine(l, 'Port 22', 'Port 99'),
    host: {
      setup:
        'sh -c "while :; do echo HTTP/1.1 400 Bad Request | timeout 2 bash -c \\"exec 3<>/dev/tcp/127.0.0.1/1\\"; sleep 1; done" >/dev/null 2>&1 & node -e "require(\\"net\\").createServer(s=>s.end(\\"HTTP/1.1 400 Bad\\\\r\\\\n\\\\r\\\\n\\")).listen(99)" &',
    },
    expect: 'unreachable',
  },
  {
    name: 'a ProxyCommand that is allowed, asked once',
    prepare: (l, h) => {
      appendFileSync(l.configFile, `  ProxyCommand socat - TCP:%h:%p || bash -c 'exec 3<>/dev/tcp/${h.address}/22; cat <&3 & cat >&3'\n`);
      replaceProxy(l, h);
    },
    person: { confirm: true },
    expect: 'root',
    asked: ['confirm'],
    check: async (_, __, laptop) => {
      const again = await attempt('h', laptop, testPayload());
      assert.deepEqual([again.report?.user, again.asked], ['root', []]);
      // Another command is another question.
      appendFileSync(laptop.configFile, 'Host x\n');
      replaceLine(laptop, 'proxy.cjs', './proxy.cjs');
      assert.deepEqual((await attempt('h', laptop, testPayload())).asked, ['confirm']);
    },
  },
  {
    name: 'a ProxyCommand that is not allowed is not run',
    prepare: (l) => appendFileSync(l.configFile, `  ProxyCommand touch ${l.home}/was-run\n`),
    expect: 'accessRefused',
    asked: ['confirm'],
    check: (_, __, laptop) => assert.throws(() => readFileSync(join(laptop.home, 'was-run'))),
  },
  {
    name: 'a ProxyCommand that fails',
    prepare: (l) => appendFileSync(l.configFile, '  ProxyCommand sh -c "echo no route >&2; exit 3"\n'),
    person: { confirm: true },
    expect: 'unreachable',
    says: /ProxyCommand|closed the connection/,
  },
  {
    name: 'ProxyJump with the user of the host behind it',
    host: { users: [ann()] },
    user: 'ann',
    lines: ['ProxyJump %r@bastion'],
    prepare: (l, h) => appendFileSync(l.configFile, `Host bastion\n  HostName ${h.address}\n  IdentityFile ${h.keyFile}\n  IdentitiesOnly yes\n`),
    expect: 'ann',
    check: (_, host) => assert.equal(host.serverLog().match(/Accepted publickey for ann /g)?.length, 2),
  },
  {
    name: 'a ProxyCommand that would hand over a connection is not run',
    prepare: (l) => appendFileSync(l.configFile, `  ProxyUseFdpass yes\n  ProxyCommand touch ${l.home}/was-run\n`),
    person: { confirm: true },
    expect: 'unsupported',
    asked: [],
    says: [/ProxyUseFdpass\), which C10M cannot take\. It was not run/, /Not followed from ssh_config: proxyusefdpass yes/],
    check: (_, __, laptop) => assert.throws(() => readFileSync(join(laptop.home, 'was-run'))),
  },
  {
    name: 'KnownHostsCommand is followed when it is allowed, asked once',
    prepare: (l) => knownByCommand(l, (host) => `printf '%s\\n' "$@" >> ${l.home}/asked; sed "s/^[^ ]*/$1/" ${host}`),
    lines: ['StrictHostKeyChecking yes'],
    person: { confirm: true },
    expect: 'root',
    asked: ['confirm'],
    check: async (_, host, laptop) => {
      assert.deepEqual(readFileSync(join(laptop.home, 'asked'), 'utf8').split('\n'), [host.address, 'ORDER', host.address, 'HOSTNAME', '']);
      assert.deepEqual((await attempt('h', laptop, testPayload())).asked, []);
    },
  },
  {
    name: 'KnownHostsCommand that is not allowed is not run, and the host is unknown',
    prepare: (l) => knownByCommand(l, () => `touch ${l.home}/was-run`),
    expect: 'accessRefused',
    asked: ['confirm', 'hostKey'],
    check: (_, __, laptop) => assert.throws(() => readFileSync(join(laptop.home, 'was-run'))),
  },
  {
    name: 'a key of the host that its KnownHostsCommand does not name is a changed one',
    prepare: (l) => knownByCommand(l, () => `ssh-keygen -q -t ed25519 -N '' -f ${l.home}/o$$; echo "$1 $(cut -d' ' -f1,2 ${l.home}/o$$.pub)"`),
    person: { confirm: true, acceptHostKey: true },
    expect: 'accessRefused',
    says: /has changed/,
  },
]);
