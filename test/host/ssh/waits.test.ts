import assert from 'node:assert/strict';
import { ann, describeSshCases, noKey, password, type SshCase } from '../support/sshCases.js';

/** Logins as they really are: persons, phones and directories take their time, and what they say must arrive. */
const users = [ann({ password, key: false })];
const interactive = ['UsePAM yes', 'KbdInteractiveAuthentication yes'];
const hurried = [...noKey, 'ConnectTimeout 1'];
const slow = (service: string, seconds: number) => `sed -i '1i auth required pam_exec.so quiet /usr/bin/sleep ${seconds}' /etc/pam.d/${service}`;
/** A second factor: of its codes for emergencies, which need no clock. */
const code = '12345678';
const secondFactor = (service: string) =>
  `printf '%s\\n' JBSWY3DPEHPK3PXP '" TOTP_AUTH' ${code} 23456789 > /home/ann/.google_authenticator; chmod 600 /home/ann/.google_authenticator; chown ann: /home/ann/.google_authenticator; echo 'auth required pam_google_authenticator.so' >> /etc/pam.d/${service}`;
const banner = 'echo "Authorised use only" > /etc/issue.net';
const twoFactors = {
  users,
  sshdConfig: [...interactive, 'Banner /etc/issue.net'],
  setup: `${banner}; ${secondFactor('sshd')}`,
};

const cases: SshCase[] = [
  {
    name: 'two factors by PAM, a person who takes longer than ConnectTimeout at each, the banner shown at once',
    host: twoFactors,
    user: 'ann',
    lines: hurried,
    person: { secrets: { password: [password], answer: [code] }, thinksMs: 1_600 },
    expect: 'ann',
    asked: ['password', 'answer'],
    says: [/informed: h says: Authorised use only/, /Waiting for you: Verification code:/],
    check: ({ log }) => assert.doesNotMatch(log.join('\n'), /Waiting for h to decide/, 'it is the person who is waited for'),
  },
  {
    name: 'two factors, given up at the first',
    host: twoFactors,
    user: 'ann',
    lines: hurried,
    expect: 'accessRefused',
    asked: ['password'],
    says: /was given up/,
  },
  {
    name: 'two factors, given up at the second: at once, and the host hears no more',
    host: twoFactors,
    user: 'ann',
    lines: hurried,
    person: { secrets: { password: [password] } },
    expect: 'accessRefused',
    asked: ['password', 'answer'],
    says: [/was given up/, /It says: Authorised use only/],
    check: ({ elapsedMs }) => assert.ok(elapsedMs < 3_000, `${elapsedMs} ms`),
  },
  {
    name: 'a push to a phone: a host that is silent for longer than ConnectTimeout',
    host: { users, sshdConfig: interactive, setup: slow('sshd', 3) },
    user: 'ann',
    lines: hurried,
    person: { secrets: { password: [password] } },
    expect: 'ann',
    says: /informed: Waiting for h to decide about the login/,
  },
  {
    name: 'sudo with a second factor: what it asks in silence is another question, not a wrong password',
    host: { users: [ann({ password, sudo: 'password' })], setup: `${secondFactor('sudo')}; echo 'Defaults lecture=always' > /etc/sudoers.d/lecture` },
    user: 'ann',
    person: { secrets: { sudo: [password], answer: [code] } },
    expect: 'root',
    viaSudo: true,
    asked: ['sudo', 'answer'],
    says: [/Waiting for you: The next factor/, /informed: h says: .*(Respect the privacy|responsibility)/],
  },
  {
    name: 'sudo that keeps the words of its second factor',
    host: { users: [ann({ password, sudo: 'password' })], setup: `${secondFactor('sudo')}; echo 'Defaults !passprompt_override' > /etc/sudoers.d/words` },
    user: 'ann',
    person: { secrets: { sudo: ['wrong', password], answer: [code] } },
    expect: 'root',
    viaSudo: true,
    says: /Waiting for you: Verification code:/,
  },
  {
    name: 'what a start-up file complains about before the agent runs',
    host: { setup: 'echo "echo the disk is nearly full >&2" > /root/.bashrc' },
    expect: 'root',
    says: /informed: h says: the disk is nearly full/,
  },
  {
    name: 'what a host says is escaped',
    host: { setup: `printf 'red \\033[31m\\n' > /etc/issue.net`, sshdConfig: ['Banner /etc/issue.net'] },
    expect: 'root',
    check: ({ log }) => assert.doesNotMatch(log.join('\n'), /\u001b/),
  },
  {
    name: 'an account that has expired is not blamed on attempts',
    host: { users: [ann()], sshdConfig: ['UsePAM yes'], setup: 'chage -E 0 ann' },
    user: 'ann',
    expect: 'accessRefused',
    says: [/It says: .*account has expired/i, /account or password that has expired/],
  },
  {
    name: 'a password that has expired, with a key',
    host: { users: [ann({ password })], sshdConfig: ['UsePAM yes'], setup: 'chage -d 0 ann' },
    user: 'ann',
    expect: 'unsupported',
    says: [/password/i, /set a new one/],
  },
  {
    name: 'too many attempts are still called that',
    host: { sshdConfig: ['MaxAuthTries 1'] },
    lines: ['IdentityFile ~/none'],
    user: 'nobody-here',
    expect: 'accessRefused',
  },
];

describeSshCases('logins that take their time', cases);
