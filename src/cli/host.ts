import { exitCodes, HumanError } from '../core/errors.js';
import { plainLine, restoreCommands } from '../core/foreignText.js';
import { specFromInput } from '../core/profile.js';
import { type HostRun, restoreReportSchema, type RestoreReport } from '../protocol/commands.js';
import { listeningServerSchema, type ListeningServer } from '../protocol/facts.js';
import { endpointsText } from '../core/plan/attachTarget.js';
import { array, parse } from 'valibot';
import { askHost } from '../run/askHost.js';
import { listHostRuns } from '../run/hostRuns.js';
import { Run } from '../run/run.js';
import { factsText, planText } from './check.js';
import { dependenciesOf } from './environment.js';
import type { CommandValues } from './commandList.js';
import { parseCommand } from './options.js';
import { addressOf, addSavedHost, readSavedHosts, removeSavedHost } from './savedHosts.js';
import { laptopEnvironment } from '../transport/environment.js';
import { listAliases, resolveHost } from '../transport/ssh/config.js';
import { unsupportedText } from '../transport/ssh/unsupported.js';
import { table } from './table.js';
import { print, printError } from './output.js';

/** `c10m host list|show|add|remove|test|servers|runs|restore`. */
export async function host(args: string[]): Promise<number> {
  const { values, positionals } = parseCommand('host', args);
  const [action, name = 'local', address] = positionals;
  const show = (value: unknown, text: string) => print(values.json === true ? `${JSON.stringify(value)}\n` : text);
  switch (action) {
    case 'list':
      show(
        knownHosts(),
        knownHosts()
          .map((known) => `${known.name}  ${known.source}\n`)
          .join(''),
      );
      return exitCodes.done;
    case 'show': {
      const resolved = resolveHost(addressOf(name), { environment: laptopEnvironment() });
      const lines = Object.entries(resolved.keys).flatMap(([key, value]) => (typeof value === 'string' ? [value] : value).map((one) => `${key} ${one}\n`));
      const unsupported = resolved.unsupported.map(({ option, value, reason }) => `# not followed: ${plainLine(`${option} ${value} (${reason})`)}\n`);
      show({ ...resolved.keys, unsupported: resolved.unsupported }, [...lines, ...unsupported].join(''));
      for (const problem of resolved.problems) printError(`c10m: ${problem.file}, line ${problem.line}: ${problem.text}\n`);
      return exitCodes.done;
    }
    case 'add':
      if (address === undefined)
        throw new HumanError('c10m host add needs a name and an address.', { code: 'usage', remedy: 'Such as: c10m host add web root@192.0.2.7:22' });
      resolveHost(address, { environment: laptopEnvironment() });
      addSavedHost(name, address);
      print(`${name} is ${address}. Try it with: c10m host test ${name}\n`);
      return exitCodes.done;
    case 'remove':
      removeSavedHost(name);
      print(`${name} is forgotten.\n`);
      return exitCodes.done;
    case 'test':
    case 'restore':
    case 'runs':
    case 'servers':
      return reachHost(action, name, values, show);
    default:
      throw new HumanError(`${action === undefined ? 'c10m host needs an action' : `"${action}" is not an action of c10m host`}.`, {
        code: 'usage',
        remedy: 'Actions: list, add, remove, show, test, servers, runs, restore. Help: c10m host --help',
      });
  }
}

type Show = (value: unknown, text: string) => void;

/** What needs the host itself. */
async function reachHost(action: 'test' | 'restore' | 'runs' | 'servers', name: string, values: CommandValues<'host'>, show: Show): Promise<number> {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const dependencies = dependenciesOf(values);
  try {
    if (action === 'test') {
      const named = name === 'local' ? undefined : unsupportedText(resolveHost(addressOf(name), { environment: laptopEnvironment() }).unsupported);
      if (named !== undefined) printError(`${plainLine(named)}\n`);
      const { facts, plan } = await new Run(dependencies, specFromInput({ host: name, connections: 'max' })).plan(abort.signal);
      show({ facts, plan }, `${factsText(facts)}\n${planText(plan)}`);
      return exitCodes.done;
    }
    const lease = dependencies.lease(name);
    if (action === 'servers') {
      const servers = parse(array(listeningServerSchema), await askHost(lease, (id) => ({ type: 'servers', id }), abort.signal));
      show(servers, serversText(name, servers));
      return exitCodes.done;
    }
    if (action === 'runs') {
      const runs = await listHostRuns(lease, abort.signal);
      show(runs, hostRunsText(name, runs));
      return exitCodes.done;
    }
    const report = parse(restoreReportSchema, await askHost(lease, (id) => ({ type: 'restore', id, dryRun: values['dry-run'] === true }), abort.signal));
    show(report, restoreText(report));
    return report.complete ? exitCodes.done : exitCodes.notRestored;
  } finally {
    await dependencies.pool.dispose();
  }
}

function hostRunsText(name: string, runs: readonly HostRun[]): string {
  if (runs.length === 0) return `${name} keeps no run: each was fetched.\n`;
  const rows = runs.map((run) => [run.runId, run.state, run.startedAt, run.owner]);
  return `${table([['run', 'state', 'started', 'by'], ...rows])}\nFollow or fetch one with: c10m runs follow ID --host ${name}\n`;
}

function knownHosts(): { name: string; source: string }[] {
  const environment = laptopEnvironment();
  return [
    ...(environment.platform === 'linux' ? [{ name: 'local', source: 'this machine' }] : []),
    ...Object.entries(readSavedHosts()).map(([name, saved]) => ({ name, source: saved.address })),
    ...listAliases({ environment }).map((alias) => ({ name: alias.alias, source: `${alias.file}, line ${alias.line}` })),
  ];
}

export function restoreText(report: RestoreReport): string {
  const notes = report.notes.map((note) => `${plainLine(note)}\n`).join('');
  if (report.runs.length === 0) return `${report.complete ? 'No dead run has left anything behind.' : 'This host is not as it should be.'}\n${notes}`;
  const rows = report.keys.map((key) => [key.key, `was ${key.original}`, `set to ${key.ours}`, `now ${key.now ?? 'unreadable'}`, key.outcome]);
  const lines = restoreCommands(report);
  const commands = lines.length === 0 ? '' : `To do it by hand:\n${lines.map((command) => `  ${command}\n`).join('')}`;
  return `Runs: ${plainLine(report.runs.join(', '))}. Processes ended: ${report.processesEnded}.\n${table(rows)}${notes}${commands}`;
}

function serversText(name: string, servers: readonly ListeningServer[]): string {
  if (servers.length === 0) return `No listening server can be seen on ${name}: as another user than root only one's own are.\n`;
  const rows = servers.map((server) => [
    plainLine(server.name),
    `pid ${server.pid}`,
    plainLine(server.unit ?? server.container ?? ''),
    endpointsText(server),
    server.nofile === 0 ? '' : `${server.nofile} open files`,
    server.otherNamespace ? 'another network namespace' : '',
  ]);
  return table(rows);
}
