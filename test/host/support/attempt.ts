import { setTimeout as delay } from 'node:timers/promises';
import type { HumanError } from '../../../src/core/errors.js';
import type { ConnectOptions, HostConnection, Prompts, RelayChannel } from '../../../src/transport/contract.js';
import type { LaptopEnvironment } from '../../../src/transport/environment.js';
import { connectHost } from '../../../src/transport/transport.js';
import type { Laptop } from './laptop.js';
import type { AgentReport } from './testAgent.js';

/** What the person before the laptop does when asked. Each list is used up from its front; then there is no answer. */
export interface Person {
  secrets?: Partial<Record<'password' | 'passphrase' | 'sudo' | 'answer', (string | undefined)[]>>;
  acceptHostKey?: boolean;
  confirm?: boolean;
  /** Takes so long to answer; default 0. */
  thinksMs?: number;
}

/** How an attempt to use a host went. */
export interface Outcome {
  report?: AgentReport;
  error?: HumanError;
  /** Kinds of what was asked, in order. */
  asked: string[];
  log: string[];
  elapsedMs: number;
}

export interface OpenHost {
  connection: HostConnection;
  relay: RelayChannel;
  asked: string[];
  log: string[];
}

export function testEnvironment(laptop: Laptop, variables: Record<string, string> = {}): LaptopEnvironment {
  const environment = { ...laptop.environment, ...variables };
  return { platform: 'linux', homeDirectory: laptop.home, userName: 'tester', userId: 1000, hostName: 'laptop', variables: environment };
}

export function scripted(person: Person, asked: string[]): Prompts {
  const secrets = Object.fromEntries(Object.entries(person.secrets ?? {}).map(([kind, answers]) => [kind, [...answers]]));
  return {
    confirmHostKey: (question) => {
      asked.push(`hostKey${question.note === undefined ? '' : ' with a note'}`);
      return Promise.resolve(person.acceptHostKey ?? false);
    },
    secret: async (question) => {
      asked.push(question.kind);
      await delay(person.thinksMs ?? 0);
      return secrets[question.kind]?.shift();
    },
    confirm: () => {
      asked.push('confirm');
      return Promise.resolve(person.confirm ?? false);
    },
  };
}

/** Connects and opens a relay; throws what they throw. */
export async function open(
  name: string,
  laptop: Laptop,
  payloadDirectory: string,
  person: Person = {},
  options: Partial<ConnectOptions> = {},
): Promise<OpenHost> {
  const asked: string[] = [];
  const log: string[] = [];
  const connection = await connectHost(name, {
    payloadDirectory,
    prompts: scripted(person, asked),
    signal: AbortSignal.timeout(60_000),
    log: (line) => log.push(line),
    progress: (text) => log.push(text),
    inform: (text) => log.push(`informed: ${text}`),
    environment: testEnvironment(laptop),
    ...options,
  });
  try {
    return { connection, relay: await connection.openRelay(options.signal ?? AbortSignal.timeout(60_000)), asked, log };
  } catch (error) {
    await connection.dispose();
    throw error;
  }
}

/** One attempt from the name to the agent's answer, and back. */
export async function attempt(
  name: string,
  laptop: Laptop,
  payloadDirectory: string,
  person: Person = {},
  options: Partial<ConnectOptions> = {},
): Promise<Outcome> {
  const asked: string[] = [];
  const log: string[] = [];
  const started = Date.now();
  const connectOptions = {
    prompts: scripted(person, asked),
    log: (line: string) => void log.push(line),
    progress: (text: string) => void log.push(text),
    inform: (text: string) => void log.push(`informed: ${text}`),
    ...options,
  };
  try {
    const { connection, relay } = await open(name, laptop, payloadDirectory, {}, connectOptions);
    const report = await relay.request<AgentReport>((id) => ({ type: 'list', id }));
    await connection.dispose();
    return { report, asked, log, elapsedMs: Date.now() - started };
  } catch (error) {
    return { error: error as HumanError, asked, log, elapsedMs: Date.now() - started };
  }
}
