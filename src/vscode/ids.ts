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
  findRuns: 'c10m.findRuns',
  followRun: 'c10m.followRun',
  openRun: 'c10m.openRun',
  deleteRun: 'c10m.deleteRun',
  repeatRun: 'c10m.repeatRun',
  renameRun: 'c10m.renameRun',
  tagRun: 'c10m.tagRun',
  pinRun: 'c10m.pinRun',
  unpinRun: 'c10m.unpinRun',
  openRunFolder: 'c10m.openRunFolder',
  exportRun: 'c10m.exportRun',
  importRun: 'c10m.importRun',
  exportReport: 'c10m.exportReport',
  copySummary: 'c10m.copySummary',
  copyRunLink: 'c10m.copyRunLink',
  compareRuns: 'c10m.compareRuns',
  filterRuns: 'c10m.filterRuns',
  clearRunFilter: 'c10m.clearRunFilter',
  groupRunsByHost: 'c10m.groupRunsByHost',
  groupRunsByDay: 'c10m.groupRunsByDay',
  refreshRuns: 'c10m.refreshRuns',
  newProfile: 'c10m.newProfile',
  runProfile: 'c10m.runProfile',
  checkProfile: 'c10m.checkProfile',
  compareServers: 'c10m.compareServers',
  saveRunAsProfile: 'c10m.saveRunAsProfile',
} as const;

export const viewIds = { hosts: 'c10m.hosts', runs: 'c10m.runs' } as const;

export const panelTypes = { dashboard: 'c10m.dashboard', comparison: 'c10m.comparison' } as const;

export const contextKeys = {
  /** At least one run of this window is in progress. */
  running: 'c10m.running',
  /** Somebody has looked at the trees or started a run: until then the palette shows the first command alone. */
  used: 'c10m.used',
  /** There are runs on disk. */
  hasRuns: 'c10m.hasRuns',
  /** There are hosts in the settings. */
  hasHosts: 'c10m.hasHosts',
  /** The tree Runs shows only what matches a filter. */
  filtered: 'c10m.filtered',
  /** `day` or `host`. */
  grouping: 'c10m.grouping',
} as const;

/** `viewItem` values of the trees; menus in package.json match on them. */
export const itemContexts = {
  hostLocal: 'c10m.host.local',
  hostSaved: 'c10m.host.saved',
  hostAlias: 'c10m.host.alias',
  runLive: 'c10m.run.live',
  runSaved: 'c10m.run.saved',
  runPinned: 'c10m.run.pinned',
  runBroken: 'c10m.run.broken',
  /** Saved here without its end, which its host may still keep. */
  runIncomplete: 'c10m.run.incomplete',
  /** Known by its host only. */
  runKept: 'c10m.run.kept',
} as const;

/** Language model tools, as package.json contributes them. */
export const toolNames = {
  listRuns: 'c10m_list_runs',
  getRun: 'c10m_get_run',
  compareRuns: 'c10m_compare_runs',
} as const;
