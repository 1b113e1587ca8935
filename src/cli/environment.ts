import { homedir } from 'node:os';
import { join } from 'node:path';
import { version } from '../core/version.js';
import type { ControllerDependencies } from '../run/observedRun.js';
import { RunStore } from '../history/store.js';
import { runOwner } from '../transport/environment.js';
import { type ConnectOptions, connectHost } from '../transport/transport.js';
import type { CommandValues } from './commandList.js';
import { addressOf } from './savedHosts.js';
import { terminalPrompts } from './prompts.js';
import { printError } from './output.js';

/** Where runs are kept without `--runs`: `$XDG_DATA_HOME/c10m/runs`, or `~/.local/share/c10m/runs`. */
export function defaultRunsDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const data = environment.XDG_DATA_HOME;
  return join(data !== undefined && data !== '' ? data : join(homedir(), '.local', 'share'), 'c10m', 'runs');
}

/** What a controller needs, from the options of a command; `progress` also goes to the log that `--verbose` prints. */
export function dependenciesOf(values: CommandValues<'host'>, signal: AbortSignal, progress: (text: string) => void = () => undefined): ControllerDependencies {
  const log = (line: string) => {
    if (values.verbose === true) printError(`${line}\n`);
  };
  return controllerDependencies({
    runsDirectory: values.runs,
    acceptNewHostKeys: values['accept-new'] === true,
    sudo: values.sudo,
    provisionNode: values['provision-node'],
    log,
    progress: (text) => {
      log(text);
      progress(text);
    },
    signal,
  });
}

interface TerminalOptions {
  runsDirectory: string | undefined;
  acceptNewHostKeys: boolean;
  sudo?: ConnectOptions['sudo'];
  provisionNode?: ConnectOptions['provisionNode'];
  log: (line: string) => void;
  progress: (text: string) => void;
  signal: AbortSignal;
}

/** What a controller needs, for a terminal. */
function controllerDependencies(options: TerminalOptions): ControllerDependencies {
  return {
    connect: (name) =>
      connectHost(addressOf(name), {
        payloadDirectory: join(__dirname, 'host'),
        prompts: terminalPrompts({ acceptNewHostKeys: options.acceptNewHostKeys }),
        signal: options.signal,
        log: options.log,
        progress: options.progress,
        sudo: options.sudo,
        provisionNode: options.provisionNode,
      }),
    store: new RunStore(options.runsDirectory ?? defaultRunsDirectory()),
    version: version(),
    owner: runOwner(),
    log: options.log,
  };
}
