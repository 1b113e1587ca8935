import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** Servers of a few lines; each reports its open connections at a unix socket. */
export const programs = join(import.meta.dirname, 'programs');

const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** A program by its name or path, or a Python module of Debian as `python3:NAME`. */
export function has(program: string): boolean {
  if (program.startsWith('python3:'))
    return spawnSync('/usr/bin/python3', ['-c', `import ${program.slice('python3:'.length)}`], { stdio: 'ignore' }).status === 0;
  return program.startsWith('/') ? existsSync(program) : programFolders.some((folder) => existsSync(join(folder, program)));
}

/** Text that a server sends over a unix socket, after what it is asked. */
export function askSocket(path: string, question = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(path, () => question !== '' && socket.write(question));
    socket.setTimeout(5_000, () => socket.destroy(new Error(`${path} does not answer`)));
    socket.on('data', (bytes: Buffer) => (answer += bytes.toString('utf8')));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

/** The number that a pattern finds. */
export function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  assert.ok(found !== undefined, `${pattern.source} is not in: ${text.slice(0, 500)}`);
  return Number(found);
}

/** Builds the echo server in Go as `DIRECTORY/server`. */
export function buildGoServer(directory: string): void {
  execFileSync('go', ['build', '-o', join(directory, 'server'), '.'], {
    cwd: join(programs, 'go'),
    env: { ...process.env, GOFLAGS: '-mod=mod', GOCACHE: join(directory, 'cache'), GOTOOLCHAIN: 'local' },
    stdio: 'pipe',
  });
}
