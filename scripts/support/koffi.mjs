/** koffi's prebuilt library for the Linux architectures of the hosts, whatever machine this is. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, fail, root } from './repository.mjs';

/** Puts `koffi-linux-ARCHITECTURE` into the cache, unless npm has installed it; its bytes must have the hash in package-lock.json. */
export function ensureKoffi(architecture) {
  const name = `koffi-linux-${architecture}`;
  const directory = join(cacheDirectory, name);
  const { version, integrity } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages[`node_modules/@koromix/${name}`];
  if (existsSync(join(root, 'node_modules', '@koromix', name))) return;
  const manifest = join(directory, 'package', 'package.json');
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version) return;

  console.log(`Fetching @koromix/${name} ${version} …`);
  const temporary = `${directory}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  try {
    const packed = spawnSync('npm', ['pack', '--silent', `@koromix/${name}@${version}`], { cwd: temporary, encoding: 'utf8', timeout: 120_000 });
    if (packed.status !== 0) fail(`npm pack @koromix/${name}@${version} failed: ${packed.stderr}`);
    const archive = join(temporary, packed.stdout.trim());
    const actual = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (actual !== integrity) fail(`@koromix/${name}@${version} has the hash ${actual}, but package-lock.json says ${integrity}. Nothing was packed.`);
    const unpacked = spawnSync('tar', ['-xzf', archive], { cwd: temporary });
    if (unpacked.status !== 0) fail(`${archive} could not be unpacked.`);
    rmSync(archive);
    rmSync(directory, { recursive: true, force: true });
    renameSync(temporary, directory);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
