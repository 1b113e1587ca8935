import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandIds, contextKeys, itemContexts, panelTypes, toolNames, viewIds } from '../../src/vscode/ids.js';

interface Menu {
  command: string;
  when?: string;
}
interface Manifest {
  activationEvents: string[];
  contributes: {
    commands: { command: string; title: string; category?: string }[];
    views: Record<string, { id: string }[]>;
    menus: Record<string, Menu[]>;
    languageModelTools: { name: string }[];
    configuration: { properties: Record<string, { scope: string }> };
  };
}
const text = readFileSync('package.json', 'utf8');
const manifest = JSON.parse(text) as Manifest;
const titles = JSON.parse(readFileSync('package.nls.json', 'utf8')) as Record<string, string>;

test('the table of ids and package.json name the same things', () => {
  const { commands, views, languageModelTools } = manifest.contributes;
  assert.deepEqual(
    {
      commands: commands.map(({ command }) => command).sort(),
      views: Object.values(views)
        .flat()
        .map(({ id }) => id)
        .sort(),
      tools: languageModelTools.map(({ name }) => name),
      panels: manifest.activationEvents.filter((event) => event.startsWith('onWebviewPanel:')).sort(),
    },
    {
      commands: Object.values(commandIds).sort(),
      views: Object.values(viewIds).sort(),
      tools: Object.values(toolNames),
      panels: Object.values(panelTypes)
        .map((type) => `onWebviewPanel:${type}`)
        .sort(),
    },
  );
});

test('the first command is found in the palette by exactly its title', () => {
  const start = manifest.contributes.commands.find(({ command }) => command === commandIds.start)!;
  assert.deepEqual({ title: titles[start.title.slice(1, -1)], category: start.category }, { title: 'Start C10M run', category: undefined });
});

test('before anything was done, the palette has the first command alone', () => {
  // Keys that are false until somebody has used C10M, opened a profile, or has runs or hosts.
  const guards = /^(false|.*(c10m\.(used|running|hasRuns|hasHosts)|resourceFilename).*)$/;
  const guarded = new Map(manifest.contributes.menus['commandPalette']!.map(({ command, when = '' }) => [command, when]));
  const open = manifest.contributes.commands.filter(({ command }) => !guards.test(guarded.get(command) ?? ''));
  assert.deepEqual(
    open.map(({ command }) => command),
    [commandIds.start],
  );
});

test('every text of package.json is in package.nls.json, and none is left over', () => {
  const used = new Set([...text.matchAll(/"%([^%"]+)%"/g)].map((match) => match[1]!));
  assert.deepEqual([...used].sort(), Object.keys(titles).sort());
});

test('menus name commands that exist and item contexts and keys that the code sets', () => {
  const known = new Set<string>([...Object.values(itemContexts), ...Object.values(contextKeys), ...Object.values(viewIds)]);
  const commands = new Set<string>(Object.values(commandIds));
  const wrong: string[] = [];
  for (const [menu, items] of Object.entries(manifest.contributes.menus)) {
    for (const { command, when = '' } of items) {
      if (!commands.has(command)) wrong.push(`${menu}: ${command}`);
      for (const [name] of when.matchAll(/c10m\.[\w.]+/g)) if (!known.has(name)) wrong.push(`${menu}: ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('a workspace can set nothing that names hosts or programs', () => {
  const open = Object.entries(manifest.contributes.configuration.properties).filter(([, { scope }]) => scope !== 'machine' && scope !== 'application');
  assert.deepEqual(
    open.map(([key]) => key),
    ['c10m.defaultConnections', 'c10m.defaultHold'],
  );
});
