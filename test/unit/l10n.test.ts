import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleText, shownTexts } from '../../scripts/l10nBundle.js';
import { planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import { text, useTexts } from '../../src/core/texts.js';
import { planLines } from '../../src/vscode/planItems.js';
import { runTitle } from '../../src/core/run/model.js';
import { hostFacts } from './builders/hostFacts.js';

const root = join(import.meta.dirname, '..', '..');
const shown = shownTexts(root);

test('the bundle for translators is up to date (npm run l10n writes it)', () => {
  assert.equal(readFileSync(join(root, 'l10n', 'bundle.l10n.json'), 'utf8'), bundleText(shown));
  assert.ok(shown.translated.length > 300);
  // Texts that panels and terminal share are looked up in the core.
  for (const shared of ['TCP and WebSocket', '{0} messages echoed']) assert.ok(shown.translated.includes(shared), shared);
});

test('every text that is shown is looked up in the bundle', () => {
  assert.deepEqual(
    shown.untranslated.map((line) => line.replace(/:\d+:/, ':').trim()),
    // A defect of ours, never shown but in the log.
    ['src/vscode/runs/runningRuns.ts: not a run id:'],
  );
});

test('a translation is used by the extension and its panels, and what it lacks stays English', () => {
  useTexts({ '{0} {1} connections': '{0} {1}-Verbindungen', 'Nothing changes on the whole host': 'Am ganzen Host ändert sich nichts' });
  try {
    const facts = hostFacts();
    const spec = specFromInput({ connections: 5_000 });
    const plan = planRun(spec, facts);
    assert.deepEqual(
      {
        title: runTitle({ connections: 5_000, protocol: 'tcp' }),
        lines: planLines(plan, facts, spec).some(({ label }) => label === 'Am ganzen Host ändert sich nichts'),
        missing: text('{0} times as much', 2),
      },
      { title: '5,000 TCP-Verbindungen', lines: true, missing: '2 times as much' },
    );
  } finally {
    useTexts({});
  }
});
