import assert from 'node:assert/strict';
import { ann, describeSshCases, machineNodes, noKey, password } from '../support/sshCases.js';

describeSshCases('odd hosts', [
  { name: 'fish', host: { users: [ann({ shell: '/usr/bin/fish' })] }, user: 'ann', expect: 'ann' },
  { name: 'csh', host: { users: [ann({ shell: '/usr/bin/tcsh' })] }, user: 'ann', expect: 'ann' },
  { name: 'csh with sudo', host: { users: [ann({ shell: '/usr/bin/tcsh', sudo: 'passwordless' })] }, user: 'ann', expect: 'root', viaSudo: true },
  {
    name: 'fish with sudo and a password',
    host: { users: [ann({ shell: '/usr/bin/fish', sudo: 'password', password })] },
    user: 'ann',
    person: { secrets: { sudo: [password] } },
    expect: 'root',
    viaSudo: true,
  },
  { name: 'dash', host: { users: [ann({ shell: '/bin/dash' })] }, user: 'ann', expect: 'ann' },
  { name: 'a .bashrc that talks', host: { setup: 'echo "echo Welcome to the machine; echo to stderr too >&2" > /root/.bashrc' }, expect: 'root' },
  {
    name: 'a banner',
    host: { setup: 'echo "Authorised use only" > /etc/issue.net', sshdConfig: ['Banner /etc/issue.net'] },
    expect: 'root',
    says: /Authorised use only/,
  },
  { name: 'nologin', host: { users: [ann({ shell: '/usr/sbin/nologin' })] }, user: 'ann', expect: 'unsupported', says: /runs no commands.*not available/ },
  { name: 'ForceCommand', host: { sshdConfig: ['ForceCommand echo only this'] }, expect: 'unsupported', says: /only this/ },
  {
    name: 'no SFTP',
    host: { setup: 'sed -i /SFTP/Id /etc/ssh/sshd_config; rm -f /usr/lib/openssh/sftp-server' },
    expect: 'root',
    says: /through a shell instead/,
  },
  { name: 'MaxSessions 1', host: { sshdConfig: ['MaxSessions 1'] }, expect: 'root' },
  { name: 'MaxSessions 1 and no SFTP', host: { sshdConfig: ['MaxSessions 1'], setup: 'rm -f /usr/lib/openssh/sftp-server' }, expect: 'root' },
  {
    name: 'a read-only HOME',
    host: { setup: 'mount --bind /root /root; mount -o remount,bind,ro /root' },
    expect: 'root',
    says: /not used for the agent: \/root\/\.cache\/c10m: cannot be made/,
    check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp\/c10m-0/),
  },
  {
    name: 'a noexec HOME',
    host: { setup: 'mount --bind /root /root; mount -o remount,bind,noexec /root' },
    expect: 'root',
    says: /noexec/,
    check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp/),
  },
  {
    name: 'a full HOME',
    host: { setup: 'mkdir -p /root/.cache; mount -t tmpfs -o size=256k tmpfs /root/.cache' },
    expect: 'root',
    says: /KiB free/,
    check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp/),
  },
  {
    name: 'no place at all',
    host: { setup: 'for d in /root /var/tmp /tmp; do mount --bind $d $d; mount -o remount,bind,noexec $d; done; mount -t tmpfs -o noexec tmpfs /dev/shm' },
    expect: 'unsupported',
    says: /No directory on h can take the agent.*noexec/,
  },
  {
    name: 'somebody took our name in /var/tmp',
    host: { users: [ann()], setup: 'mount --bind /root /root; mount -o remount,bind,ro /root; mkdir /var/tmp/c10m-0; chown ann /var/tmp/c10m-0' },
    expect: 'root',
    says: /belongs to somebody else/,
    check: ({ report }) => assert.match(report!.directory, /^\/tmp\/c10m-0/),
  },
  {
    name: 'a home with a space',
    host: { users: [ann()], setup: 'mv /home/ann "/home/a nn"; usermod -d "/home/a nn" ann' },
    user: 'ann',
    expect: 'ann',
    check: ({ report }) => assert.match(report!.directory, /a nn/),
  },
  { name: 'dropbear', host: { daemon: 'dropbear' }, expect: 'root' },
  {
    name: 'dropbear with a password',
    host: { daemon: 'dropbear', users: [ann({ password, key: false })] },
    user: 'ann',
    lines: noKey,
    person: { secrets: { password: [password] } },
    expect: 'ann',
    asked: ['password'],
  },
  {
    name: 'another system',
    host: { setup: "printf '#!/bin/sh\\ncase $1 in -s) echo FreeBSD;; *) echo amd64;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname" },
    expect: 'unsupported',
    says: /FreeBSD, and a run needs Linux/,
  },
  {
    name: 'an architecture without an agent',
    host: {
      setup: `rm -f ${machineNodes}; printf '#!/bin/sh\\ncase $1 in -s) echo Linux;; *) echo riscv64;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname`,
    },
    expect: 'unsupported',
    says: /riscv64.*has one for: x64-glibc/,
  },
  {
    name: 'a kernel of another architecture than its programs',
    host: { setup: "printf '#!/bin/sh\\ncase $1 in -s) echo Linux;; *) echo armv8l;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname" },
    expect: 'root',
  },
  {
    name: 'a .bashrc that replaces the shell: named, and nothing is sent to it',
    // A server of SFTP that is a program of its own is started by the same shell, and is gone as well.
    host: { sshdConfig: ['Subsystem sftp internal-sftp'], setup: 'printf "# mine\\nexec sh\\n" > /root/.bashrc' },
    expect: 'unsupported',
    says: /~\/\.bashrc, line 2 \(exec sh\).*Nothing was sent/,
    check: async (_, host) => {
      assert.equal((await host.exec('ls -A /root/.cache/c10m 2>/dev/null; ls /root')).stdout, '');
    },
  },
  {
    name: 'a shim that talks, and shows its program',
    host: {
      setup: `mkdir -p /opt/real; touch /opt/real/node; mount --bind ${process.execPath} /opt/real/node; printf '#!/bin/sh\\necho shim; exec /opt/real/node "$@"\\n' > /usr/local/sbin/node; chmod 755 /usr/local/sbin/node`,
    },
    expect: 'root',
    check: ({ report }) => assert.equal(report!.node, '/opt/real/node'),
  },
]);
