/** Every id that package.json contributes. A test compares this table with package.json, so that neither can drift. */
export const commandIds = {
  start: 'c10m.start',
  stop: 'c10m.stop',
  openDashboard: 'c10m.openDashboard',
  showLog: 'c10m.showLog',
  addHost: 'c10m.addHost',
  editHost: 'c10m.editHost',
  testHost: 'c10m.testHost',
  removeHost: 'c10m.removeHost',
  restoreHost: 'c10m.restoreHost',
  startOnHost: 'c10m.startOnHost',
  openRun: 'c10m.openRun',
  deleteRun: 'c10m.deleteRun',
} as const;

export const viewIds = { hosts: 'c10m.hosts', runs: 'c10m.runs' } as const;

export const panelTypes = { dashboard: 'c10m.dashboard' } as const;

export const contextKeys = {
  /** At least one run of this window is in progress. */
  running: 'c10m.running',
} as const;

/** `viewItem` values of the trees; menus in package.json match on them. */
export const itemContexts = {
  hostLocal: 'c10m.host.local',
  hostSaved: 'c10m.host.saved',
  hostAlias: 'c10m.host.alias',
  runLive: 'c10m.run.live',
  runSaved: 'c10m.run.saved',
  runBroken: 'c10m.run.broken',
} as const;
