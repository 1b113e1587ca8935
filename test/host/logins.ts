/**
 * `npm run test:logins`: two factors by PAM on a real server, in a real terminal, with a person who takes 25 s for each answer while ConnectTimeout is
 * 2 s; and each question given up. Prints a table; about two minutes. Needs root on Linux.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHost, stopLab } from './support/host.js';
import { makeLaptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const person = `
import os, pty, re, select, signal, sys, time
wait, plan, command = float(sys.argv[1]), [step.split('=', 1) for step in sys.argv[2].split(';')], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0: os.execvp(command[0], command)
seen, at, begun = '', 0, time.time()
while True:
    ready, _, _ = select.select([fd], [], [], 1)
    if ready:
        try: data = os.read(fd, 65536)
        except OSError: break
        if not data: break
        seen += data.decode('utf-8', 'replace')
    if plan and plan[0][0] in seen[at:]:
        at, (_, keys) = len(seen), plan.pop(0)
        time.sleep(wait)
        os.write(fd, {'^C': b'\\x03', '^D': b'\\x04'}.get(keys, keys.encode() + b'\\r'))
    if time.time() - begun > 150: os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
print(seen.replace('\\r', ''))
print('CODE %d SECONDS %.1f' % (os.waitstatus_to_exitcode(status), time.time() - begun))
`;

const missing = missingForHosts();
if (missing !== undefined) throw new Error(missing);
const [password, code] = ['correct horse', '12345678'];
const codes = `${code} 23456789 34567890`;
const setup = `echo 'Authorised use only' > /etc/issue.net
printf '%s\\n' JBSWY3DPEHPK3PXP '" TOTP_AUTH' ${codes} > /home/ann/.google_authenticator; chmod 600 /home/ann/.google_authenticator; chown ann: /home/ann/.google_authenticator
echo 'auth required pam_google_authenticator.so' >> /etc/pam.d/sshd`;
const host = await startHost({
  name: 'logins',
  users: [{ name: 'ann', password, key: false }],
  sshdConfig: ['UsePAM yes', 'KbdInteractiveAuthentication yes', 'Banner /etc/issue.net'],
  setup,
});
const laptop = makeLaptop();
laptop.add('h', host, { user: 'ann', lines: ['ConnectTimeout 2'] });
writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(/IdentityFile .*/, 'IdentityFile none'));
const script = join(laptop.home, 'person.py');
writeFileSync(script, person);
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');

/** Keys at each prompt; `wait`: seconds of thinking before each. */
const cases: { name: string; wait: number; plan: string; code: number; shows: RegExp[] }[] = [
  {
    name: 'both answered, 25 s each',
    wait: 25,
    plan: `Password:=${password};Verification code:=${code}`,
    code: 0,
    shows: [/h says: Authorised use only/, /Password:/, /Verification code:/],
  },
  { name: 'Ctrl-D at the password', wait: 1, plan: 'Password:=^D', code: 77, shows: [/Authorised use only/, /given up/] },
  { name: 'Ctrl-C at the password', wait: 1, plan: 'Password:=^C', code: 130, shows: [/Authorised use only/] },
  { name: 'Ctrl-D at the code', wait: 1, plan: `Password:=${password};Verification code:=^D`, code: 77, shows: [/given up/] },
  { name: 'Ctrl-C at the code', wait: 1, plan: `Password:=${password};Verification code:=^C`, code: 130, shows: [/Verification code:/] },
];
let failed = 0;
try {
  for (const { name, wait, plan, code: expected, shows } of cases) {
    const words = [script, String(wait), plan, process.execPath, cli, 'host', 'runs', 'h', '--sudo', 'never'];
    const { stdout, stderr } = spawnSync('python3', words, { encoding: 'utf8', env: { ...laptop.environment, TERM: 'xterm' }, timeout: 180_000 });
    const [, ended, seconds] = /CODE (-?\d+) SECONDS ([\d.]+)/.exec(stdout) ?? [];
    const isRight =
      Number(ended) === expected && !stdout.includes('Waiting for h to decide') && shows.every((pattern) => pattern.test(stdout)) && !stdout.includes(password);
    if (!isRight) failed++;
    console.log(`${isRight ? 'ok    ' : 'not ok'}  ${name.padEnd(26)}  code ${ended ?? '?'} (${expected})  ${seconds ?? '?'} s`);
    if (!isRight) console.log(`${stdout}\n${stderr}\n${host.serverLog()}`);
  }
} finally {
  await host.stop();
  laptop.remove();
  await stopLab();
}
process.exitCode = failed === 0 ? 0 : 1;
