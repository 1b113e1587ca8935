import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DashboardModel } from '../../media/dashboard/model.js';
import { newModel, observeEvent } from '../../src/core/run/model.js';
import type { PanelDelta } from '../../src/protocol/panel.js';
import { deltaOf } from '../../src/vscode/panels/panelRun.js';
import { syntheticSnapshot } from '../vscode/support/syntheticRun.js';

/** What VS Code makes of a message to a panel: JSON, which drops all that is undefined. */
const delivered = (delta: PanelDelta) => JSON.parse(JSON.stringify(delta)) as PanelDelta;

test('what is done to reach a host is no longer shown when the host reports its first event', () => {
  const snapshot = syntheticSnapshot(1);
  const run = newModel('r', snapshot.run.spec);
  const model = new DashboardModel(snapshot);
  model.apply({ type: 'delta', rows: [], entries: [], run: { linkText: 'Looking at edge' } });
  assert.equal(model.run.linkText, 'Looking at edge');
  model.apply(delivered(deltaOf(observeEvent(run, { seq: 1, t: 0, type: 'phase', phase: 'probing' })!)));
  assert.equal(model.run.linkText, '');
});
