import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { HumanError } from '../core/errors.js';
import type { ConnectOptions, HostConnection, RelayChannel } from './contract.js';
import { laptopEnvironment, type LaptopEnvironment } from './environment.js';
import { StreamRelayChannel, type RelayStreams } from './relayChannel.js';
import { findLocalNode, type NodeRuntime } from './runtime.js';

/** A relay that was ordered to end has this long before it is killed: it ends in some ms, and a stop must be over within 2 s. Its supervisor lives on by itself. */
const endGraceMs = 400;

/** Whether *This machine* can be a host: the engine is made of Linux calls. */
export function isLocalOffered(environment: LaptopEnvironment = laptopEnvironment()): boolean {
  return environment.platform === 'linux';
}

/** This machine as a host: the relay is a child process, nothing is deployed. */
export async function connectLocal(options: ConnectOptions): Promise<HostConnection> {
  const environment = options.environment ?? laptopEnvironment();
  if (!isLocalOffered(environment)) {
    throw new HumanError('This machine cannot be the host of a run, because it does not run Linux.', {
      code: 'unsupported',
      remedy: 'Choose a Linux host over SSH with --host NAME.',
    });
  }
  const agent = join(options.payloadDirectory, 'agent.cjs');
  try {
    await access(agent);
  } catch (cause) {
    throw new HumanError(`The agent was not found at ${agent}.`, { remedy: 'Build it with `npm run build`.', cause });
  }
  const runtime = await findLocalNode();
  options.log(`the agent runs on this machine with ${runtime.executable}`);
  return new LocalConnection(runtime, agent);
}

class LocalConnection implements HostConnection {
  readonly name = 'local';
  private readonly channels = new Set<RelayChannel>();

  constructor(
    private readonly runtime: NodeRuntime,
    private readonly agent: string,
  ) {}

  openRelay(): Promise<RelayChannel> {
    const channel = new StreamRelayChannel(spawnRelay(this.runtime, this.agent));
    this.channels.add(channel);
    channel.onClose(() => this.channels.delete(channel));
    return Promise.resolve(channel);
  }

  rest(): void {
    // There is no link.
  }

  dispose(): Promise<void> {
    for (const channel of [...this.channels]) channel.close();
    return Promise.resolve();
  }
}

function spawnRelay(runtime: NodeRuntime, agent: string): RelayStreams {
  const child = spawn(runtime.executable, [agent, 'relay'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...runtime.environment },
    // Its own session: Ctrl-C in a terminal reaches our process only, which then stops the run in order over this relay.
    detached: true,
  });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`The agent could not be started: ${error.message}.`));
    child.on('close', (code, signal) => resolve(`The agent's relay on this machine ended (${signal ?? `code ${code ?? 'unknown'}`}).`));
  });
  return {
    input: child.stdin,
    output: child.stdout,
    errors: child.stderr,
    ended,
    end: () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), endGraceMs);
      child.once('close', () => clearTimeout(timer));
    },
  };
}
