import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** Programs that test hosts are made of, and the Debian packages that bring them. */
const programs: Record<string, string> = {
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/lib/openssh/sftp-server': 'openssh-sftp-server',
  '/usr/bin/ssh-keygen': 'openssh-client',
  '/usr/bin/sudo': 'sudo',
  '/usr/sbin/dropbear': 'dropbear-bin',
  '/usr/sbin/nft': 'nftables',
  '/sbin/ip': 'iproute2',
  '/usr/bin/fish': 'fish',
  '/usr/bin/tcsh': 'tcsh',
};

/**
 * Installs what is missing, once, with the daemons kept from starting. Returns why test hosts cannot be had here, as one
 * line for a skipped suite, or undefined when all is well.
 */
export function missingForHosts(): string | undefined {
  if (process.platform !== 'linux') return 'test hosts need Linux';
  if (process.getuid?.() !== 0) return 'test hosts need root (they are network and mount namespaces)';
  const missing = Object.entries(programs).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    try {
      install(missing.map(([, name]) => name));
    } catch (error) {
      return `test hosts need ${missing.map(([, name]) => name).join(', ')}, which could not be installed: ${error instanceof Error ? error.message.split('\n')[0]! : ''}`;
    }
  }
  try {
    execFileSync('unshare', ['-m', '-u', '-p', '-i', '-n', '--fork', 'true'], { stdio: 'pipe', timeout: 10_000 });
  } catch {
    return 'test hosts need namespaces, which this machine does not permit';
  }
  return undefined;
}

function install(packages: string[]): void {
  // Debian starts a daemon on installation unless this file forbids it.
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    // The lock: several test files start at the same time, and apt does not wait for itself.
    const script = `flock /tmp/c10m-test-packages.lock sh -c 'apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages.join(' ')}'`;
    execFileSync('sh', ['-c', script], { stdio: 'pipe', timeout: 300_000 });
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
