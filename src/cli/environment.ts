import { join } from 'node:path';
import { version } from '../core/version.js';
import { ownDirectory } from '../files/ownHome.js';
import { HostPool } from '../run/hostPool.js';
import type { RunDependencies } from '../run/run.js';
import { RunStore } from '../history/store.js';
import { runOwner } from '../transport/environment.js';
import { secretsOf } from '../core/opening/secrets.js';
import { connectHost } from '../transport/transport.js';
import type { CommandValues } from './commandList.js';
import { addressOf } from './savedHosts.js';
import { terminalPrompts } from './prompts.js';
import { printError } from './output.js';

/** Where runs are kept without `--runs`: `$XDG_DATA_HOME/c10m/runs`, or `~/.local/share/c10m/runs`. */
export function defaultRunsDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return join(ownDirectory(environment.XDG_DATA_HOME, '.local', 'share'), 'c10m', 'runs');
}

/** What a run needs, and the way to let go of the hosts it has reached. */
export interface TerminalDependencies extends RunDependencies {
  pool: HostPool;
}

/** What a run needs, from the options of a command; `progress` also goes to the log that `--verbose` prints. */
export function dependenciesOf(values: CommandValues<'host'>, progress: (text: string) => void = () => undefined): TerminalDependencies {
  const log = (line: string) => {
    if (values.verbose === true) printError(`${line}\n`);
  };
  const prompts = terminalPrompts({ acceptNewHostKeys: values['accept-new'] === true });
  const pool = new HostPool((name, { signal, progress: report }) =>
    connectHost(addressOf(name), {
      payloadDirectory: join(__dirname, 'host'),
      prompts,
      signal,
      log,
      progress: report,
      inform: (text) => printError(`${text}\n`),
      sudo: values.sudo,
      provisionNode: values['provision-node'],
    }),
  );
  const report = (text: string) => {
    log(text);
    progress(text);
  };
  return {
    pool,
    lease: (name) => pool.lease(name, report),
    store: new RunStore(values.runs ?? defaultRunsDirectory()),
    version: version(),
    secrets: (spec) => secretsOf(spec, process.env),
    owner: runOwner(),
    log,
  };
}
