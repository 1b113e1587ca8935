/**
 * Builds what runs:
 *   dist/extension.cjs            VS Code extension (external: vscode)
 *   dist/cli.js                   the terminal's door (CommonJS, see dist/package.json)
 *   dist/host/                    what is deployed on a host: agent.cjs, worker.cjs and koffi with its prebuilt library
 *   dist/dashboard/               what the webview loads
 */
import { build, context } from 'esbuild';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

/** @type {import('esbuild').BuildOptions} */
const shared = { bundle: true, sourcemap: production ? false : 'linked', minify: production, logLevel: 'warning', legalComments: 'none', target: 'node20' };
/** @type {import('esbuild').BuildOptions} */
const node = { ...shared, platform: 'node', format: 'cjs', mainFields: ['module', 'main'] };
const nativeExternals = ['cpu-features', '*.node', 'bufferutil', 'utf-8-validate'];

/** Parts of the worker that few runs need are files of their own, loaded at their first use: every worker's memory counts. */
const workerParts = { otherEngines: 'workerEngines.cjs', traffic: 'workerTraffic.cjs' };
/** @type {import('esbuild').Plugin} */
const loadPartsLater = {
  name: 'loadPartsLater',
  setup(builder) {
    builder.onResolve({ filter: /\/(otherEngines|traffic)\.js$/ }, ({ path, kind }) => {
      if (kind !== 'dynamic-import') return undefined;
      const name = path.replace(/^.*\/|\.js$/g, '');
      return { path: `./${workerParts[/** @type {keyof typeof workerParts} */ (name)]}`, external: true };
    });
  },
};
/** @type {import('esbuild').BuildOptions} */
const host = { ...node, external: ['koffi', ...nativeExternals], plugins: [loadPartsLater] };

const targets = [
  { ...node, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.cjs', external: ['vscode', ...nativeExternals] },
  { ...node, entryPoints: ['src/cli.ts'], outfile: 'dist/cli.js', external: nativeExternals, banner: { js: '#!/usr/bin/env node' } },
  { ...node, entryPoints: ['src/agent.ts'], outfile: 'dist/host/agent.cjs', external: ['koffi', ...nativeExternals] },
  { ...host, entryPoints: ['src/worker.ts'], outfile: 'dist/host/worker.cjs' },
  ...Object.entries(workerParts).map(([name, file]) => ({ ...host, entryPoints: [`src/worker/${name}.ts`], outfile: `dist/host/${file}` })),
  {
    ...shared,
    target: 'es2022',
    platform: 'browser',
    format: 'esm',
    entryPoints: ['media/dashboard/main.ts'],
    outdir: 'dist/dashboard',
    loader: { '.css': 'css' },
  },
].filter((target) => existsSync(target.entryPoints[0]));

/** koffi cannot be bundled whole (it loads a native library): its loader and the library of each architecture go beside the agent. */
function copyKoffi() {
  const modules = join('dist', 'host', 'node_modules');
  const koffi = join(modules, 'koffi');
  for (const file of ['package.json', 'index.cjs', 'LICENSE.txt', 'src/koffi/index.cjs', 'src/koffi/src/static.cjs', 'src/koffi/src/trampolines.cjs']) {
    const from = join('node_modules', 'koffi', file);
    if (existsSync(from)) cpSync(from, join(koffi, file));
  }
  for (const architecture of ['x64', 'arm64']) {
    const from = join('node_modules', '@koromix', `koffi-linux-${architecture}`);
    if (existsSync(from)) cpSync(from, join(modules, '@koromix', `koffi-linux-${architecture}`), { recursive: true });
  }
}

if (!watch) rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/host', { recursive: true });
writeFileSync('dist/package.json', '{"type":"commonjs"}\n');
copyKoffi();

if (watch) {
  for (const target of targets) await (await context({ ...target, logLevel: 'info' })).watch();
} else {
  await Promise.all(targets.map((target) => build(target)));
}
