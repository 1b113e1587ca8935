import { fileURLToPath } from 'node:url';
import type { HostVariants, TestUser } from './host.js';

/** The repository, seen by each host at the same path, read-only: one below /tmp or on a file system of its own would not be part of the host's root. */
const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

interface ScriptInputs {
  variants: HostVariants;
  port: number;
  publicKey: string;
  /** Of this host, on the machine: where the file systems are mounted, seen by this host only. */
  directory: string;
}

/** One argument for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * What a host's first process does: a root file system of its own over the machine's (writes go to memory), accounts, keys,
 * and the SSH server in the foreground. Global sysctls are read-only inside, since a write would change the machine.
 */
export function hostScript({ variants, port, publicKey, directory }: ScriptInputs): string {
  const users = (variants.users ?? []).map((user) => userCommands(user, publicKey)).join('\n');
  const fakes = Object.entries(variants.fakeSysctls ?? {}).map(
    ([key, value]) =>
      `mkdir -p $(dirname /run/fake/${key}); printf '%s\\n' ${quoted(value)} > /run/fake/${key}; mount --bind /run/fake/${key} /proc/sys/${key}`,
  );
  return `set -e
B=${quoted(`${directory}/root`)}
mkdir -p $B
mount -t tmpfs -o mode=755 tmpfs $B
mkdir $B/upper $B/work $B/root
mount -t overlay overlay -o lowerdir=/,upperdir=$B/upper,workdir=$B/work $B/root
R=$B/root
mount --rbind /dev $R/dev
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
[ -d /sys/fs/cgroup ] && mount --rbind /sys/fs/cgroup $R/sys/fs/cgroup
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
mount -t tmpfs -o mode=755 tmpfs $R/run
D=${quoted(repository)}
if [ -d "$D" ]; then mkdir -p "$R$D"; mount --bind "$D" "$R$D"; mount -o remount,bind,ro "$R$D"; fi
for d in fs vm kernel; do mount --bind $R/proc/sys/$d $R/proc/sys/$d; mount -o remount,bind,ro $R/proc/sys/$d; done
mkdir -p $R/run/old
cd $R
pivot_root . run/old
umount -l /run/old
hostname ${variants.name}
echo "127.0.0.1 localhost ${variants.name}" > /etc/hosts
mkdir -p /run/sshd /root/.ssh
# The machine's own user data must not be seen: it is not this host's.
rm -rf /root/.cache /root/.ssh/* /root/.bashrc /root/.profile
printf '%s\\n' ${quoted(publicKey)} > /root/.ssh/authorized_keys
chmod 700 /root /root/.ssh
chmod 600 /root/.ssh/authorized_keys
${fakes.join('\n')}
rm -f /etc/ssh/ssh_host_*
${(variants.hostKeyTypes ?? ['ed25519', 'ecdsa']).map((type) => `ssh-keygen -q -t ${type} -N '' -C '' -f /etc/ssh/ssh_host_${type}_key`).join('\n')}
${users}
set +e
${variants.setup ?? ''}
${variants.daemon === 'dropbear' ? dropbear(variants, port) : openSsh(variants, port)}
`;
}

function userCommands(user: TestUser, publicKey: string): string {
  const home = `/home/${user.name}`;
  const lines = [`useradd -m -s ${quoted(user.shell ?? '/bin/bash')} ${user.name}`, `chmod 755 /home; chmod 700 ${home}`];
  // '*': no password can be right, but the account is not locked, so that keys do.
  lines.push(user.password === undefined ? `usermod -p '*' ${user.name}` : `echo ${quoted(`${user.name}:${user.password}`)} | chpasswd -c SHA512 -s 5000`);
  if (user.key !== false) {
    lines.push(
      `mkdir -p ${home}/.ssh; printf '%s\\n' ${quoted(publicKey)} > ${home}/.ssh/authorized_keys`,
      `chmod 700 ${home}/.ssh; chmod 600 ${home}/.ssh/authorized_keys; chown -R ${user.name}: ${home}/.ssh`,
    );
  }
  const sudo = user.sudo ?? 'none';
  if (sudo !== 'none') {
    lines.push(
      `echo '${user.name} ALL=(ALL) ${sudo === 'passwordless' ? 'NOPASSWD: ' : ''}ALL' > /etc/sudoers.d/${user.name}; chmod 440 /etc/sudoers.d/${user.name}`,
    );
  }
  return lines.join('\n');
}

function openSsh(variants: HostVariants, port: number): string {
  const lines = [
    ...(variants.sshdConfig ?? []).filter((line) => !line.startsWith('Match')),
    `Port ${port}`,
    'LogLevel VERBOSE',
    'PidFile none',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UseDNS no',
    'PrintMotd no',
    ...((variants.sshdConfig ?? []).some((line) => line.startsWith('Subsystem')) ? [] : ['Subsystem sftp /usr/lib/openssh/sftp-server']),
    // What follows a Match belongs to it.
    ...(variants.sshdConfig ?? []).filter((line) => line.startsWith('Match')),
  ];
  return `printf '%s\\n' ${lines.map(quoted).join(' ')} > /etc/ssh/sshd_config\nexec /usr/sbin/sshd -D -e`;
}

function dropbear(variants: HostVariants, port: number): string {
  const types = variants.hostKeyTypes ?? ['ed25519', 'ecdsa'];
  const convert = types.map((type) => {
    // dropbear reads only PEM or its own format; an ecdsa key is the one that can be converted everywhere.
    return `rm -f /etc/ssh/ssh_host_${type}_key; dropbearkey -t ${type} -f /etc/ssh/db_${type} 2>/dev/null | grep '^[es][cs]' > /etc/ssh/ssh_host_${type}_key.pub`;
  });
  return `${convert.join('\n')}\nexec /usr/sbin/dropbear -F -E -p ${port} ${types.map((type) => `-r /etc/ssh/db_${type}`).join(' ')}`;
}
