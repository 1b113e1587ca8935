import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { ConnectOptions } from '../../src/transport/contract.js';
import { attempt, type Outcome, type Person } from './support/attempt.js';
import { startHost, type HostVariants } from './support/host.js';
import { makeLaptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';
import { useTestPayload } from './support/payload.js';
import { selectCases, type SelectedCase } from './support/selection.js';

const skip = missingForHosts() ?? false;
const files = useTestPayload();

/** What of a host never answers, says too much, or is not what it says. */
interface Case extends SelectedCase {
  host: Omit<HostVariants, 'name'>;
  user?: string;
  sudo?: ConnectOptions['sudo'];
  person?: Person;
  /** Lines of the laptop's ssh_config that come first. */
  config?: string;
  /** The user that the agent runs as, or the code of the error. */
  expect: string;
  /** In the error's text, or, where it works, in the log. */
  says?: RegExp;
  /** In the log. */
  logs?: RegExp;
  /** A person cancels. */
  signalAfterMs?: number;
  /** What it costs at most, from the name to the answer; a second of it is the machine's. */
  withinSeconds: number;
  check?(outcome: Outcome): void;
}

const machineNodes = [...new Set([process.execPath, '/usr/bin/node', '/usr/local/bin/node'])].join(' ');
/** First on PATH. */
const firstNode = (script: string) => `printf '#!/bin/sh\\n%s\\n' '${script}' > /usr/local/sbin/node; chmod 755 /usr/local/sbin/node`;
const bashrc = (text: string) => `printf '%s\\n' '${text}' > /root/.bashrc`;
const ann = { name: 'ann', sudo: 'passwordless' as const };
const password = 'correct horse';
/** What a dead directory server does: root's own process waits for it, and its caller cannot end it. */
const deadDirectory = `printf '%s\\n' 'account required pam_exec.so quiet /bin/sleep 1000' 'account required pam_permit.so' 'session required pam_permit.so' 'auth required pam_permit.so' > /etc/pam.d/sudo`;
const fakeSudo = (script: string) => `printf '#!/bin/sh\\n%s\\n' '${script}' > /usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo`;

const cases: Case[] = [
  {
    name: 'a shim of Node that never returns, before one that works',
    host: { setup: firstNode('sleep 1000') },
    expect: 'root',
    says: /\/usr\/local\/sbin\/node .*does not answer within 10 s/,
    withinSeconds: 16,
  },
  {
    name: 'a shim of Node that cannot be ended, and no other',
    isTypical: true,
    host: { setup: `rm -f ${machineNodes}; ${firstNode('trap "" TERM; while :; do sleep 1; done')}` },
    expect: 'unsupported',
    says: /\/usr\/local\/sbin\/node .*does not answer within 10 s/,
    withinSeconds: 16,
  },
  {
    name: 'sudo that waits for a dead directory server',
    isTypical: true,
    host: { users: [ann], setup: deadDirectory },
    user: 'ann',
    sudo: 'auto',
    expect: 'ann',
    says: /sudo does not answer within 10 s/,
    withinSeconds: 16,
  },
  {
    name: 'sudo that waits for a dead directory server, and root is required',
    host: { users: [ann], setup: deadDirectory },
    user: 'ann',
    sudo: 'required',
    expect: 'accessRefused',
    says: /sudo does not answer within 10 s.*Nothing was changed/,
    withinSeconds: 16,
  },
  {
    name: 'sudo that hangs only once it has the password: it may ask a phone, so it is shown, and may be cancelled',
    signalAfterMs: 10_000,
    host: { users: [{ name: 'ann', sudo: 'password', password }], setup: deadDirectory.replace('auth required pam_permit.so', 'auth required pam_unix.so') },
    user: 'ann',
    sudo: 'required',
    person: { secrets: { sudo: [password] } },
    expect: 'cancelled',
    logs: /Waiting for sudo on h/,
    withinSeconds: 12,
  },
  {
    name: 'sudo that may start no other program',
    isTypical: true,
    host: { users: [{ name: 'ann' }], setup: `echo 'ann ALL=(ALL) NOPASSWD: NOEXEC: ALL' > /etc/sudoers.d/ann; chmod 440 /etc/sudoers.d/ann` },
    user: 'ann',
    sudo: 'auto',
    expect: 'ann',
    says: /sudo cannot be used/,
    withinSeconds: 10,
  },
  {
    name: 'sudo that may start no other program, and root is required',
    host: { users: [{ name: 'ann' }], setup: `echo 'ann ALL=(ALL) NOPASSWD: NOEXEC: ALL' > /etc/sudoers.d/ann; chmod 440 /etc/sudoers.d/ann` },
    user: 'ann',
    sudo: 'required',
    expect: 'accessRefused',
    says: /sudo on h did not work: .*NOEXEC in sudoers/,
    withinSeconds: 10,
  },
  {
    name: 'a program called sudo that gives nothing',
    host: { users: [{ name: 'ann' }], setup: fakeSudo('while [ "$1" != -- ]; do shift; done; shift; exec "$@"') },
    user: 'ann',
    sudo: 'required',
    expect: 'accessRefused',
    says: /instead of root/,
    withinSeconds: 10,
  },
  {
    name: 'a .bashrc that sleeps',
    isTypical: true,
    host: { sshdConfig: ['Subsystem sftp internal-sftp'], setup: bashrc('sleep 1000') },
    expect: 'unsupported',
    says: /within 15 s\. The start-up file ~\/\.bashrc, line 1 \(sleep 1000\).*Nothing was sent/,
    withinSeconds: 22,
  },
  {
    name: 'a .bashrc that waits for what never comes, and hides in it',
    host: { setup: bashrc('while :; do :; done') },
    expect: 'unsupported',
    says: /within 15 s\. A start-up file of the account, such as ~\/\.bashrc.*Nothing was sent/,
    withinSeconds: 22,
  },
  {
    name: 'a banner of 100 kB',
    isTypical: true,
    host: { setup: 'yes "Authorised use only" | head -c 100000 > /etc/issue.net', sshdConfig: ['Banner /etc/issue.net'] },
    expect: 'unreachable',
    says: /more in one packet than SSH has clients take.*very long banner/,
    withinSeconds: 5,
  },
  {
    name: 'a banner of 30 kB',
    host: { setup: 'yes "Authorised use only" | head -c 30000 > /etc/issue.net', sshdConfig: ['Banner /etc/issue.net'] },
    expect: 'root',
    says: /Authorised use only/,
    withinSeconds: 10,
    check: ({ log }) => assert.ok(log.join('\n').length < 10_000, 'what is shown of it is bounded'),
  },
  {
    name: 'an ssh_config that includes every file of every process',
    isTypical: true,
    host: {},
    config: 'Include /proc/*/*',
    expect: 'root',
    withinSeconds: 15,
  },
  {
    name: 'a Node that prints after its version',
    isTypical: true,
    host: { setup: firstNode(`${process.execPath} "$@"; echo Update available: run node-update; echo v1.0.0`) },
    expect: 'root',
    withinSeconds: 10,
  },
  {
    name: 'a Node that lies about its version, and no other',
    isTypical: true,
    host: { setup: `rm -f ${machineNodes}; ${firstNode('echo v22.0.0')}` },
    expect: 'unsupported',
    says: /no Node 20 or newer.*\/usr\/local\/sbin\/node \(v22\.0\.0\)/,
    withinSeconds: 10,
  },
  {
    name: 'a Node that lies as ours would speak, and no other',
    host: { setup: `rm -f ${machineNodes}; ${firstNode('echo c10m-node v22.0.0 x64 glibc /usr/local/sbin/node')}` },
    expect: 'unreachable',
    says: /relay on the host ended with code 0/,
    withinSeconds: 15,
  },
];

describe('what hangs, says too much or lies is named in time', { skip, concurrency: 8 }, () => {
  for (const { each, index } of selectCases(cases, undefined)) {
    test(each.name, async () => {
      const host = await startHost({ name: `w${index}`, ...each.host });
      const laptop = makeLaptop();
      try {
        laptop.add('h', host, each.user === undefined ? {} : { user: each.user });
        if (each.config !== undefined) writeFileSync(laptop.configFile, `${each.config}\n${readFileSync(laptop.configFile, 'utf8')}`);
        const outcome = await attempt('h', laptop, files.payload, each.person, {
          sudo: each.sudo ?? 'never',
          ...(each.signalAfterMs === undefined ? {} : { signal: AbortSignal.timeout(each.signalAfterMs) }),
        });
        const said = outcome.error === undefined ? outcome.log.join('\n') : `${outcome.error.message} ${outcome.error.remedy ?? ''}`;
        assert.equal(outcome.error?.code ?? outcome.report?.user, each.expect, `${said}\n${outcome.log.join('\n')}\n${host.serverLog()}`);
        if (each.says !== undefined) assert.match(said, each.says);
        if (each.logs !== undefined) assert.match(outcome.log.join('\n'), each.logs);
        assert.ok(outcome.elapsedMs < each.withinSeconds * 1_000, `it took ${outcome.elapsedMs} ms`);
        each.check?.(outcome);
      } finally {
        await host.stop();
        laptop.remove();
      }
    });
  }
});
