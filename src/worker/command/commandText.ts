import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerWorkerPlan } from '../../protocol/plan.js';

/** What a command and a configuration template may name in braces; the same values are in the environment of the command. */
export interface CommandNames {
  address: string;
  ports: readonly number[];
  /** Where the server may keep its files; removed with the run. */
  directory: string;
  /** The template that was filled in; absent without one. */
  configPath?: string;
}

/** `{port}` (the first), `{ports}` (with commas), `{address}`, `{directory}` and `{config}` replaced; other braces stay as they are. */
export function fillNames(text: string, names: CommandNames): string {
  const values: Record<string, string> = {
    port: String(names.ports[0] ?? ''),
    ports: names.ports.join(','),
    address: names.address,
    directory: names.directory,
    ...(names.configPath === undefined ? {} : { config: names.configPath }),
  };
  return text.replaceAll(/\{(port|ports|address|directory|config)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** As `fillNames`; besides, a line with `{eachPort}` is repeated for each port, as most configuration files want it. */
export function fillTemplate(template: string, names: CommandNames): string {
  const lines = template
    .split('\n')
    .flatMap((line) => (line.includes('{eachPort}') ? names.ports.map((port) => line.replaceAll('{eachPort}', String(port))) : [line]));
  return fillNames(lines.join('\n'), names);
}

/** Writes the filled template and returns the names with its path. */
export function writeConfiguration(template: string, names: CommandNames): CommandNames {
  const configPath = join(names.directory, 'server.conf');
  writeFileSync(configPath, fillTemplate(template, names), { mode: 0o644 });
  return { ...names, configPath };
}

/** The environment of the command beside the worker's own. */
export function commandEnvironment(plan: ServerWorkerPlan, websocketPath: string, names: CommandNames): NodeJS.ProcessEnv {
  const portsOf = (wanted: string) => plan.ports.filter(({ protocol }) => protocol === wanted).map(({ port }) => port);
  return {
    C10M_PORT: String(names.ports[0] ?? ''),
    C10M_PORTS: names.ports.join(','),
    C10M_ADDRESS: plan.address,
    C10M_PROTOCOL: plan.protocol,
    C10M_TCP_PORTS: portsOf('tcp').join(','),
    C10M_WEBSOCKET_PORTS: portsOf('websocket').join(','),
    C10M_WEBSOCKET_PATH: websocketPath,
    C10M_DIRECTORY: names.directory,
    ...(names.configPath === undefined ? {} : { C10M_CONFIG: names.configPath }),
  };
}
