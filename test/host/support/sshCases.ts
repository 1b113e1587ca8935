import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ConnectOptions } from '../../../src/transport/contract.js';
import { attempt, type Outcome, type Person } from './attempt.js';
import { startHost, type HostVariants, type TestHost } from './host.js';
import { makeLaptop, type Laptop } from './laptop.js';
import { missingForHosts } from './packages.js';
import { useTestPayload } from './payload.js';

/** What a case needs and expects. Everything is optional but the name; the plain case is root with the lab's key. */
export interface SshCase {
  name: string;
  options?: Partial<ConnectOptions>;
  host?: Omit<HostVariants, 'name'>;
  /** Lines of the alias `h` in ssh_config. */
  lines?: string[];
  user?: string;
  trusted?: boolean;
  person?: Person;
  sudo?: 'auto' | 'never' | 'required';
  /** Changes the laptop or the host before the attempt. */
  prepare?: (laptop: Laptop, host: TestHost) => unknown;
  /** The user that the agent runs as, or the code of the error. */
  expect: string;
  viaSudo?: boolean;
  asked?: string[];
  /** In the error's text, or, where it works, in the log. */
  says?: RegExp | RegExp[];
  check?: (outcome: Outcome, host: TestHost, laptop: Laptop) => void | Promise<void>;
}

export const password = 'correct horse';
export const ann = (more: object = {}) => ({ name: 'ann', ...more });
export const noKey = ['IdentityFile none', 'IdentitiesOnly yes'];
export const ownKey = ['IdentityFile ~/key'];
/** Hides the machine's Node and puts it, without a copy, somewhere else. */
export const machineNodes = [...new Set([process.execPath, '/usr/bin/node', '/usr/local/bin/node'])].join(' ');

/** A key `~/key` of the laptop that root of the host accepts. */
export function makeKey(laptop: Laptop, host: TestHost, type: string, passphrase: string, format: string[] = []): Promise<unknown> {
  const file = join(laptop.home, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', '', '-f', file, ...format]);
  return host.exec('cat > /root/.ssh/authorized_keys', readFileSync(`${file}.pub`, 'utf8'));
}

export function replaceKnownHosts(laptop: Laptop, change: (text: string) => string): void {
  writeFileSync(laptop.knownHostsFile, change(readFileSync(laptop.knownHostsFile, 'utf8')));
}

export function replaceIdentity(laptop: Laptop, path: string): void {
  writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(/IdentityFile .*/, `IdentityFile ${path}`));
}

export function replaceLine(laptop: Laptop, from: string, to: string): void {
  writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(from, to));
}

const files = useTestPayload();
let nextName = 0;

/** The payload of these tests. */
export const testPayload = (): string => files.payload;

/** Runs a table of cases, each with a host of its own. Call it once or more at the top of a test file. */
export function describeSshCases(group: string, cases: readonly SshCase[]): void {
  describe(group, { skip: missingForHosts() ?? false, concurrency: 3 }, () => {
    for (const each of cases) test(each.name, () => runCase(each, group === 'sudo'));
  });
}

async function runCase(each: SshCase, isSudo: boolean): Promise<void> {
  const host = await startHost({ name: `s${nextName++}`, ...each.host });
  const laptop = makeLaptop();
  try {
    laptop.add('h', host, { ...(each.user === undefined ? {} : { user: each.user }), ...(each.trusted === undefined ? {} : { trusted: each.trusted }) });
    if (each.lines !== undefined) {
      // The first value wins, so the case's own lines go before those of the alias.
      const [first, ...rest] = readFileSync(laptop.configFile, 'utf8').split('\n');
      writeFileSync(laptop.configFile, [first, ...each.lines.map((line) => `  ${line}`), ...rest].join('\n'));
    }
    await each.prepare?.(laptop, host);
    const sudo = each.sudo ?? (isSudo || each.viaSudo !== undefined ? 'auto' : 'never');
    const outcome = await attempt('h', laptop, testPayload(), each.person, { sudo, ...each.options });
    const context = `${outcome.error === undefined ? '' : `${outcome.error.message} ${String(outcome.error.stack)}`}\n${outcome.log.join('\n')}\n${host.serverLog()}`;
    assert.equal(outcome.error?.code ?? outcome.report?.user, each.expect, context);
    if (each.viaSudo !== undefined) assert.equal(outcome.report?.viaSudo, each.viaSudo);
    if (each.asked !== undefined) assert.deepEqual(outcome.asked, each.asked, context);
    const text = outcome.error === undefined ? outcome.log.join('\n') : `${outcome.error.message} ${outcome.error.remedy ?? ''}`;
    for (const pattern of [each.says ?? []].flat()) assert.match(text, pattern);
    await each.check?.(outcome, host, laptop);
  } finally {
    await host.stop();
    laptop.remove();
  }
}
