/**
 * Builds what runs, into `dist` (or `--outdir DIRECTORY`):
 *   extension.cjs            VS Code extension (external: vscode)
 *   transport.cjs            its part that reaches hosts, loaded at the first connection
 *   cli.js                   the terminal's door (CommonJS, see the package.json beside it)
 *   host/                    what is deployed on a host: agent.cjs, worker.cjs and koffi with its prebuilt libraries
 *   dashboard/               what the webview loads
 * `--production` minifies and leaves source maps out; `--watch` builds again at each change; `--inputs FILE` lists all files
 * that went into it, as JSON.
 */
import { build, context } from 'esbuild';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    production: { type: 'boolean', default: false },
    watch: { type: 'boolean', default: false },
    outdir: { type: 'string', default: 'dist' },
    inputs: { type: 'string' },
  },
});
const { production, watch, outdir } = values;

/** Builds that have not ended; the problem matcher in .vscode/tasks.json waits until there are none. */
let building = 0;

/** Says what happens in the lines that the problem matcher reads. */
const reporter = {
  name: 'reporter',
  setup({ onStart, onEnd }) {
    onStart(() => {
      if (watch && building === 0) console.log('[watch] build started');
      building += 1;
    });
    onEnd(({ errors }) => {
      building -= 1;
      if (!watch) return;
      for (const { text, location } of errors) {
        console.error(`✘ [ERROR] ${text}`);
        if (location) console.error(`    ${location.file}:${location.line}:${location.column}:`);
      }
      if (building === 0) console.log('[watch] ready');
    });
  },
};

/** @type {import('esbuild').BuildOptions} */
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
/** @type {import('esbuild').BuildOptions} */
const shared = {
  define: { C10M_VERSION: JSON.stringify(version) },
  bundle: true,
  sourcemap: production ? false : 'linked',
  minify: production,
  logLevel: watch ? 'silent' : 'warning',
  legalComments: 'none',
  target: 'node20',
  plugins: [reporter],
  metafile: values.inputs !== undefined,
};
// jsonc-parser's `main` is UMD, which cannot be bundled: take the ES module.
/** @type {import('esbuild').BuildOptions} */
const node = { ...shared, platform: 'node', format: 'cjs', mainFields: ['module', 'main'] };
/** Optional native parts of ssh2 and ws, which both do without. */
const nativeExternals = ['cpu-features', '*.node', 'bufferutil', 'utf-8-validate'];

/** Parts of the worker that few runs need are files of their own, loaded at their first use: every worker's memory counts. */
const workerParts = {
  otherEngines: 'workerEngines.cjs',
  traffic: 'workerTraffic.cjs',
  burst: 'workerBurst.cjs',
  latencies: 'workerLatencies.cjs',
  'stateless/statelessWorker': 'workerStateless.cjs',
  'tls/workerTls': 'workerTls.cjs',
};
/** @type {import('esbuild').Plugin} */
const loadPartsLater = {
  name: 'loadPartsLater',
  setup(builder) {
    builder.onResolve({ filter: /\.js$/ }, ({ path, kind }) => {
      const part = kind === 'dynamic-import' ? Object.entries(workerParts).find(([name]) => path.endsWith(`/${name}.js`)) : undefined;
      return part === undefined ? undefined : { path: `./${part[1]}`, external: true };
    });
  },
};
/** SSH is two thirds of the extension: it is loaded at the first connection, so that a window starts in no time. */
const transportFile = 'transport.cjs';
/** @type {import('esbuild').Plugin} */
const loadTransportLater = {
  name: 'loadTransportLater',
  setup(builder) {
    builder.onResolve({ filter: /\/transport\/transport\.js$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: `./${transportFile}`, external: true } : undefined,
    );
  },
};
/** @type {import('esbuild').BuildOptions} */
const host = { ...node, external: ['koffi', ...nativeExternals], plugins: [reporter, loadPartsLater] };

const targets = [
  {
    ...node,
    entryPoints: ['src/extension.ts'],
    outfile: join(outdir, 'extension.cjs'),
    external: ['vscode', ...nativeExternals],
    plugins: [reporter, loadTransportLater],
    // As require(): an extension host need not know import() in CommonJS.
    supported: { 'dynamic-import': false },
  },
  { ...node, entryPoints: ['src/transport/transport.ts'], outfile: join(outdir, transportFile), external: nativeExternals },
  { ...node, entryPoints: ['src/cli.ts'], outfile: join(outdir, 'cli.js'), external: nativeExternals, banner: { js: '#!/usr/bin/env node' } },
  { ...host, entryPoints: ['src/agent.ts'], outfile: join(outdir, 'host', 'agent.cjs') },
  { ...host, entryPoints: ['src/worker.ts'], outfile: join(outdir, 'host', 'worker.cjs') },
  ...Object.entries(workerParts).map(([name, file]) => ({ ...host, entryPoints: [`src/worker/${name}.ts`], outfile: join(outdir, 'host', file) })),
  {
    ...shared,
    target: 'es2022',
    platform: 'browser',
    format: 'esm',
    entryPoints: ['media/dashboard/main.ts'],
    outdir: join(outdir, 'dashboard'),
    loader: { '.css': 'css' },
  },
].filter((target) => existsSync(target.entryPoints[0]));

/** koffi cannot be bundled whole (it loads a native library): its loader and the library of each architecture go beside the agent. */
function copyKoffi() {
  const modules = join(outdir, 'host', 'node_modules');
  for (const file of ['package.json', 'index.cjs', 'LICENSE.txt', 'src/koffi/index.cjs', 'src/koffi/src/static.cjs', 'src/koffi/src/trampolines.cjs']) {
    const from = join('node_modules', 'koffi', file);
    if (existsSync(from)) cpSync(from, join(modules, 'koffi', file));
  }
  for (const architecture of ['x64', 'arm64']) {
    const name = `koffi-linux-${architecture}`;
    // npm installs the library of this machine only; `npm run package` puts the others in the cache.
    const from = [join('node_modules', '@koromix', name), join(process.env.C10M_CACHE ?? '.cache', name, 'package')].find((path) => existsSync(path));
    if (from !== undefined) cpSync(from, join(modules, '@koromix', name), { recursive: true });
  }
}

if (!watch) rmSync(outdir, { recursive: true, force: true });
mkdirSync(join(outdir, 'host'), { recursive: true });
copyKoffi();

// Written last when nothing failed: scripts take its time for the time of the build.
const finish = () => writeFileSync(join(outdir, 'package.json'), '{"type":"commonjs"}\n');
if (watch) {
  finish();
  const contexts = await Promise.all(targets.map((target) => context(target)));
  await Promise.all(contexts.map((each) => each.watch()));
} else {
  const results = await Promise.all(targets.map((target) => build(target)));
  if (values.inputs !== undefined) writeFileSync(values.inputs, JSON.stringify(results.flatMap(({ metafile }) => Object.keys(metafile.inputs))));
  finish();
}
