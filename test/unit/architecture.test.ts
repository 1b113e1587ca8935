import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Room {
  floor: number;
  /** Packages that its files may import; `node:` stands for Node's own modules. */
  packages: string[];
  /** Laptop and host never import each other: they meet only in protocol, core and files. */
  side: 'laptop' | 'host' | 'both';
}

/** Thirteen rooms on six floors; each imports only from floors below it. The map for people is in CONTRIBUTING.md. */
const rooms: Record<string, Room> = {
  extension: { floor: 6, packages: ['vscode'], side: 'laptop' },
  vscode: { floor: 5, packages: ['vscode', 'node:'], side: 'laptop' },
  cli: { floor: 5, packages: ['node:', 'valibot'], side: 'laptop' },
  run: { floor: 4, packages: ['node:'], side: 'laptop' },
  transport: { floor: 3, packages: ['node:', 'valibot'], side: 'laptop' },
  history: { floor: 3, packages: ['node:', 'valibot'], side: 'laptop' },
  dashboard: { floor: 3, packages: ['lit', 'uplot'], side: 'laptop' },
  agent: { floor: 3, packages: ['node:', 'valibot', 'hdr-histogram-js'], side: 'host' },
  worker: { floor: 3, packages: ['node:', 'ws', 'hdr-histogram-js', 'valibot'], side: 'host' },
  core: { floor: 2, packages: ['valibot', '@valibot/to-json-schema', 'jsonc-parser', 'hdr-histogram-js'], side: 'both' },
  linux: { floor: 1, packages: ['node:', 'koffi'], side: 'host' },
  files: { floor: 1, packages: ['node:'], side: 'both' },
  protocol: { floor: 1, packages: ['valibot'], side: 'both' },
};

/** Packages of one folder only, inside their room. */
const folderOfPackage: Record<string, string> = { ssh2: 'src/transport/ssh/' };

interface Source {
  /** From the root of the repository. */
  path: string;
  room: string;
  lines: number;
  /** Paths of files, or names of packages. */
  imports: string[];
}

function roomOf(path: string): string {
  if (path.startsWith('media/dashboard/')) return 'dashboard';
  return /^src\/(\w+)/.exec(path)?.[1] ?? path;
}

/** What a file imports, types and dynamic imports included; comments with such words would be found too, and none has them. */
function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^;'"]*?from\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g)];
  return specifiers
    .map((match) => match[1] ?? match[2] ?? match[3]!)
    .map((specifier) => (specifier.startsWith('.') ? normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts') : specifier));
}

const sources: Source[] = ['src', 'media']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))))
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, room: roomOf(path), lines: text.split('\n').length - 1, imports: importsOf(path, text) };
  });
const sourceAt = new Map(sources.map((source) => [source.path, source]));

/** The name of the package in an import such as `lit/directives/repeat.js` or `@scope/name/part.js`. */
function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const isFile = (specifier: string) => specifier.startsWith('src/') || specifier.startsWith('media/');

test('every file is in a known room', () => {
  assert.deepEqual(
    sources.filter(({ room }) => rooms[room] === undefined).map(({ path }) => path),
    [],
  );
  assert.ok(sources.length > 50, 'the sources were found');
});

test('rooms import only from floors below them', () => {
  const wrong = sources.flatMap(({ path, room, imports }) =>
    imports
      .filter(isFile)
      .filter((target) => roomOf(target) !== room && rooms[roomOf(target)]!.floor >= rooms[room]!.floor)
      .map((target) => `${path} → ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('the laptop and the host meet only in protocol, core and files', () => {
  const wrong = sources.flatMap(({ path, room, imports }) => {
    const { side } = rooms[room]!;
    return imports
      .filter(isFile)
      .filter((target) => rooms[roomOf(target)]!.side !== 'both' && rooms[roomOf(target)]!.side !== side)
      .map((target) => `${path} → ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test('each package is imported only where it belongs', () => {
  const wrong = sources.flatMap(({ path, room, imports }) =>
    imports
      .filter((specifier) => !isFile(specifier))
      .filter((specifier) => {
        const name = packageName(specifier);
        const folder = folderOfPackage[name];
        return folder === undefined ? !rooms[room]!.packages.includes(name) : !path.startsWith(folder);
      })
      .map((specifier) => `${path} → ${specifier}`),
  );
  assert.deepEqual(wrong, []);
});

test('no file imports itself in a circle', () => {
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (path: string, trail: string[]) => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const target of sourceAt.get(path)?.imports.filter(isFile) ?? []) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of sources) visit(path, []);
  assert.deepEqual(circles, []);
});

test('arrows between the folders of a room run one way', () => {
  // A folder is one node, a file beside it another: what a folder imports must not lead back to it.
  const nodeOf = (path: string) => path.split('/').slice(0, 3).join('/');
  const arrows = new Map<string, Map<string, string>>();
  for (const { path, room, imports } of sources)
    for (const target of imports.filter(isFile).filter((target) => roomOf(target) === room && nodeOf(target) !== nodeOf(path))) {
      const from = arrows.get(nodeOf(path)) ?? new Map<string, string>();
      arrows.set(nodeOf(path), from.set(nodeOf(target), `${path} → ${target}`));
    }
  const reachable = (start: string): Set<string> => {
    const found = new Set<string>();
    const waiting = [start];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop())
      for (const next of arrows.get(node)?.keys() ?? []) {
        if (found.has(next)) continue;
        found.add(next);
        waiting.push(next);
      }
    return found;
  };
  const wrong = [...arrows].flatMap(([from, targets]) => [...targets].filter(([to]) => reachable(to).has(from)).map(([, example]) => example));
  assert.deepEqual(wrong, []);
});

test('a worker loads nothing that formats for people', () => {
  // One Intl.NumberFormat brings the tables of ICU: 2.5 MB in each of hundreds of workers, which a connection would have to bear.
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path) || !existsSync(join(root, path))) return;
    loaded.add(path);
    const text = readFileSync(join(root, path), 'utf8').replaceAll(/^import type .*$/gm, '');
    for (const specifier of importsOf(path, text.replaceAll(/import\(/g, 'later('))) if (specifier.startsWith('src/')) load(specifier);
  };
  load('src/worker.ts');
  assert.ok(loaded.has('src/worker/client.ts'), 'the imports are followed');
  const formatting = [...loaded].filter((path) => /\bIntl\b|toLocale/.test(readFileSync(join(root, path), 'utf8')));
  assert.deepEqual(formatting, []);
});

test('what few workers need is a file of its own', () => {
  // Dynamic imports that are bundled anyway would be read by each of hundreds of workers: 370 kB of histograms for runs without a message.
  const build = readFileSync(join(root, 'esbuild.mjs'), 'utf8');
  const later = sources
    .filter(({ room }) => room === 'worker')
    .flatMap(({ path }) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/import\('([^']+)\.js'\)/g)].map((match) => normalize(join(dirname(path), match[1]!))),
    );
  assert.ok(later.length >= 5, 'the dynamic imports are found');
  assert.deepEqual(
    later.map((path) => path.replace(/^src\/worker\//, '')).filter((name) => !build.includes(`${name}: 'worker`) && !build.includes(`'${name}': 'worker`)),
    [],
  );
});

test('nothing is exported that nobody uses', () => {
  const texts = ['src', 'media', 'test', 'scripts']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))))
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .map((path) => readFileSync(join(root, path), 'utf8'));
  const uses = new Map<string, number>();
  for (const text of texts) for (const [word] of text.matchAll(/\w+/g)) uses.set(word, (uses.get(word) ?? 0) + 1);
  const unused = sources
    .filter(({ path }) => path !== 'src/extension.ts')
    .flatMap(({ path }) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/^export (?:declare |abstract |async )*(?:const|function\*?|class|interface|type) (\w+)/gm)]
        .map((match) => match[1]!)
        .filter((name) => uses.get(name) === 1)
        .map((name) => `${path}: ${name}`),
    );
  assert.deepEqual(unused, []);
});

test('a class of the room in the middle keeps its state in one place', () => {
  // A state machine has its state; beside it three more mutable fields at most, so that no story is told by flags.
  const declared = /^ {2}(?:private |protected |public )?(?!readonly |static |get |set |async |constructor)(\w+)[?!]?(?:: [^(\n]*| = .*);$/gm;
  const parameter = /^ {4}(?:private|protected|public) (?!readonly )(\w+)/gm;
  const wrong = sources
    .filter(({ room }) => room === 'run')
    .flatMap(({ path }) =>
      readFileSync(join(root, path), 'utf8')
        .split(/^(?=(?:export )?class )/m)
        .filter((part) => /^(?:export )?class /.test(part))
        .map((part) => ({ name: /class (\w+)/.exec(part)![1]!, body: part.slice(0, part.search(/^}/m)) }))
        .map(({ name, body }) => ({ name, fields: [...body.matchAll(declared), ...body.matchAll(parameter)].map((match) => match[1]!) }))
        .filter(({ fields }) => fields.length > 4 || (fields.length === 4 && !fields.includes('current')))
        .map(({ name, fields }) => `${path}: ${name} has ${fields.join(', ')}`),
    );
  assert.deepEqual(wrong, []);
});

test('the walks of CONTRIBUTING are true, and no longer than they were', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const section = text.slice(text.indexOf('## Three walks'), text.indexOf('## How to add'));
  const walks = section
    .split(/^\*\*/m)
    .slice(1)
    .map((walk) => ({ name: walk.slice(0, walk.indexOf('.**')), files: [...walk.matchAll(/`((?:src|media)\/[^`]+)`/g)].map((match) => match[1]!) }));
  const limits: Record<string, number> = {
    'A sample, from `/proc` to a pixel': 28,
    'A spec, from the palette to `connect`': 27,
    'A stop, from the button to the worker': 16,
  };
  assert.deepEqual(
    walks.map(({ name }) => name),
    Object.keys(limits),
  );
  for (const { name, files } of walks) {
    assert.deepEqual(
      files.filter((path) => !sourceAt.has(path)),
      [],
      name,
    );
    assert.ok(files.length > 10 && files.length <= limits[name]!, `${name}: ${files.length} files`);
  }
});

test('files stay readable', (context) => {
  const long = sources.filter(({ lines }) => lines > 300).sort((a, b) => b.lines - a.lines);
  for (const { path, lines } of long) context.diagnostic(`${relative('.', path)} has ${lines} lines; about 300 are meant`);
  assert.deepEqual(
    long.filter(({ lines }) => lines > 500).map(({ path }) => path),
    [],
  );
});
