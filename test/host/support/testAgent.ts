import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the test's agent answers to `list`: who and where it is. */
export interface AgentReport {
  user: string;
  viaSudo: boolean;
  directory: string;
  node: string;
}

const agentSource = `
const readline = require('node:readline');
const os = require('node:os');
// The native library of the host's kind must have come along.
require('node:fs').accessSync(require('node:path').join(__dirname, 'node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node'));
if (process.argv[2] !== 'relay') process.exit(64);
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  let command;
  try { command = JSON.parse(line); } catch { process.stderr.write('not a command: ' + line + '\\n'); return; }
  const value = { user: os.userInfo().username, viaSudo: process.env.SUDO_USER !== undefined, directory: __dirname, node: process.execPath };
  if (command.id !== undefined) process.stdout.write(JSON.stringify({ type: 'reply', id: command.id, ok: true, value }) + '\\n');
}).on('close', () => process.exit(0));
`;

/** A payload in the shape of dist/host, whose agent only tells who and where it is. */
export function makeTestPayload(directory: string): string {
  const payload = join(directory, 'payload');
  const native = 'node_modules/@koromix/koffi-linux-x64';
  mkdirSync(join(payload, native), { recursive: true });
  writeFileSync(join(payload, 'agent.cjs'), agentSource);
  writeFileSync(join(payload, 'agent.cjs.map'), '{}');
  cpSync(native, join(payload, native), { recursive: true });
  return payload;
}
