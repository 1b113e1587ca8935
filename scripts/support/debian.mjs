/** Debian packages that the tests need, installed without starting any service. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const policyFile = '/usr/sbin/policy-rc.d';
/** Where programs of Debian packages are, whatever PATH says (a user's PATH has no sbin). */
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function hasProgram(name) {
  return name.startsWith('/') ? existsSync(name) : programFolders.some((folder) => existsSync(`${folder}/${name}`));
}

export const isRoot = process.getuid?.() === 0;

let sudoWorks;
/** True when commands can be run as root without asking anybody. */
export function canBeRoot() {
  if (isRoot) return true;
  sudoWorks ??= hasProgram('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
  return sudoWorks;
}

/** The command line that runs `command` as root, given that `canBeRoot()`. */
export function asRoot(command, args) {
  return isRoot ? [command, args] : ['sudo', ['-n', command, ...args]];
}

function rootShell(script) {
  const [command, args] = asRoot('sh', ['-c', script]);
  return spawnSync(command, args, { encoding: 'utf8', timeout: 300_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}

/**
 * Installs the packages of the programs that are missing.
 *
 * @param {Record<string, string>} packageOfProgram such as `{sshd: 'openssh-server'}`
 * @returns {string | undefined} why something is still missing; undefined when all is there
 */
export function ensurePrograms(packageOfProgram) {
  const missing = () => Object.keys(packageOfProgram).filter((program) => !hasProgram(program));
  const wanted = [...new Set(missing().map((program) => packageOfProgram[program]))];
  if (wanted.length === 0) return undefined;
  if (!hasProgram('apt-get')) return `${wanted.join(', ')} missing, and this is not a Debian system: install them yourself`;
  if (!canBeRoot()) return `${wanted.join(', ')} missing, and installing needs root or passwordless sudo`;

  console.log(`Installing Debian packages: ${wanted.join(', ')} …`);
  // A package with a daemon must not start it: policy-rc.d with exit code 101 forbids it for the time of the install.
  const install = `apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 ${wanted.join(' ')}`;
  const result = rootShell(`
    if [ ! -e ${policyFile} ]; then
      printf '#!/bin/sh\\nexit 101\\n' > ${policyFile} && chmod 755 ${policyFile}
      trap 'rm -f ${policyFile}' EXIT
    fi
    ${install} || { apt-get update -q -o DPkg::Lock::Timeout=120 && ${install}; }`);
  const still = missing();
  if (still.length === 0) return undefined;
  const lastLines = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-3).join(' | ');
  return `${still.join(', ')} could not be installed: ${result.error?.message ?? lastLines}`;
}
