import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { relayMessageSchema, type ControllerCommand, type Reply } from '../../../src/protocol/commands.js';
import type { RunEvent } from '../../../src/protocol/events.js';
import { LineSplitter } from '../../../src/files/lines.js';
import { encodeLine } from '../../../src/protocol/lines.js';

export const agentPath = resolve('dist/host/agent.cjs');
export const skipWithoutAgent =
  process.platform !== 'linux' ? 'the agent needs Linux' : existsSync(agentPath) ? false : 'dist/host/agent.cjs is not built (npm run build)';

/** A relay on this machine, as a child process, with a state directory of its own. */
export function openRelay(t: TestContext, state: string, environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [agentPath, 'relay'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, C10M_STATE_DIRECTORY: state, ...environment },
  });
  t.after(() => child.kill('SIGKILL'));
  const events: RunEvent[] = [];
  const replies = new Map<number, (reply: Reply) => void>();
  let nextId = 1;
  const splitter = new LineSplitter((line) => {
    const message = v.parse(relayMessageSchema, JSON.parse(line));
    if (message.type === 'reply') replies.get(message.id)?.(message);
    else events.push(message);
  });
  child.stdout.on('data', (chunk: Buffer) => splitter.write(chunk));
  const send = (command: ControllerCommand) => child.stdin.write(encodeLine(command));
  const request = (build: (id: number) => ControllerCommand): Promise<Reply> => {
    const id = nextId++;
    return new Promise((resolve_) => {
      replies.set(id, resolve_);
      send(build(id));
    });
  };
  const value = async (build: (id: number) => ControllerCommand): Promise<unknown> => {
    const reply = await request(build);
    assert.ok(reply.ok, JSON.stringify(reply));
    return reply.value;
  };
  const waitFor = async <T extends RunEvent['type']>(type: T, fits: (event: Extract<RunEvent, { type: T }>) => boolean = () => true) => {
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      const found = events.find((event): event is Extract<RunEvent, { type: T }> => event.type === type && fits(event as Extract<RunEvent, { type: T }>));
      if (found !== undefined) return found;
      await delay(20);
    }
    throw new Error(`no event ${type}; the last ones: ${JSON.stringify(events.slice(-3)).slice(0, 1_000)}`);
  };
  return { child, events, send, request, value, waitFor };
}

/** A state directory of its own, removed with the test. */
export function stateFor(t: TestContext): string {
  const state = mkdtempSync(join(tmpdir(), 'c10m-relay-'));
  t.after(() => rmSync(state, { recursive: true, force: true, maxRetries: 20 }));
  return state;
}

/** A relay with a state directory of its own, which is removed after the relay has ended: until then it closes what a dead supervisor left. */
export function openRelayWithState(t: TestContext): ReturnType<typeof openRelay> {
  const state = mkdtempSync(join(tmpdir(), 'c10m-relay-'));
  const relay = openRelay(t, state);
  t.after(() => removeWhenQuiet(state));
  return relay;
}

/** A supervisor writes a little after its summary. */
async function removeWhenQuiet(directory: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      rmSync(directory, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await delay(50);
    }
  }
}
