import './dashboard.css';
import { ComparisonElement } from './comparison.js';
import { DashboardElement } from './dashboard.js';
import { Host } from './host.js';
import { DashboardModel } from './model.js';
import { useTexts } from '../../src/core/texts.js';

const host = new Host();
const root = document.getElementById('root') ?? document.body;
let dashboard: DashboardElement | undefined;

host.start((message) => {
  switch (message.type) {
    case 'snapshot': {
      useTexts(message.texts);
      // With this VS Code brings the panel back after a reload of the window.
      host.saveViewState({ runId: message.run.runId });
      const model = new DashboardModel(message);
      if (dashboard === undefined) {
        dashboard = new DashboardElement();
        dashboard.host = host;
        dashboard.model = model;
        root.replaceChildren(dashboard);
      }
      // A second snapshot replaces the first: the revision goes on so that every chart draws again.
      model.revision = dashboard.model.revision + 1;
      dashboard.model = model;
      dashboard.requestUpdate();
      break;
    }
    case 'delta':
      if (dashboard === undefined) return;
      dashboard.model.apply(message);
      dashboard.requestUpdate();
      break;
    case 'comparison': {
      useTexts(message.texts);
      host.saveViewState({ runIds: message.comparison.runs.map((run) => run.id) });
      const comparison = new ComparisonElement();
      comparison.host = host;
      comparison.snapshot = message;
      root.replaceChildren(comparison);
      break;
    }
  }
});
