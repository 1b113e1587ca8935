import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DashboardModel } from '../../media/dashboard/model.js';
import type { PanelDelta } from '../../src/protocol/panel.js';
import { RunView } from '../../src/vscode/panels/runView.js';
import { syntheticSnapshot } from '../vscode/support/syntheticRun.js';

/** What VS Code makes of a message to a panel: JSON, which drops all that is undefined. */
const delivered = (delta: PanelDelta) => JSON.parse(JSON.stringify(delta)) as PanelDelta;

test('what is done to reach a host is no longer shown when the host tells its first event', () => {
  const snapshot = syntheticSnapshot(1);
  const view = new RunView({ ...snapshot.run, link: 'live', linkText: '' });
  const model = new DashboardModel(snapshot);
  model.apply(delivered(view.change({ linkText: 'Looking at edge' })));
  assert.equal(model.run.linkText, 'Looking at edge');
  model.apply(delivered(view.observe({ seq: 1, t: 0, type: 'phase', phase: 'probing' })));
  assert.equal(model.run.linkText, '');
});
