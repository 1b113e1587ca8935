/**
 * A small extension of the tests, activated before ours in the same extension host: it notes what ours reads, writes, starts or asks
 * for while it is activated, with the line that did it. (VS Code drops NODE_OPTIONS, so that nothing can be preloaded.)
 */
import { createHook } from 'node:async_hooks';
import childProcess from 'node:child_process';
import fs from 'node:fs';
import Module from 'node:module';
import os from 'node:os';

/** What the tests inside the extension host find as `globalThis.c10mActivation`. */
export interface WatchedActivation {
  /** Reading and evaluating the bundle. */
  loadMs: number;
  /** `activate` itself. */
  activateMs: number;
  /** Each access to files, processes, the network or the user database that began within `activate`. */
  accesses: string[];
}

/** Kinds of libuv requests that reach beyond the process; writes to sockets that VS Code has open already are its own. */
const asyncKinds =
  /^(FSREQCALLBACK|FSREQPROMISE|FILEHANDLE|FSEVENTWRAP|STATWATCHER|PROCESSWRAP|TCPCONNECTWRAP|PIPECONNECTWRAP|GETADDRINFOREQWRAP|DNSCHANNEL|UDPWRAP|WORKER)$/;

const bundle = /[\\/]dist[\\/]extension\.cjs$/;
let watched: WatchedActivation | undefined;

function note(what: string): void {
  const stack = new Error().stack ?? '';
  const line = stack.split('\n').find((candidate) => candidate.includes('extension.cjs')) ?? 'called by VS Code';
  watched?.accesses.push(`${what} ${line.trim()}`);
}

createHook({
  init: (_id, kind) => {
    if (watched !== undefined && asyncKinds.test(kind)) note(kind);
  },
}).enable();

for (const [name, module] of Object.entries({ fs, childProcess, os }) as [string, Record<string, unknown>][]) {
  for (const [key, original] of Object.entries(module)) {
    if (typeof original !== 'function' || !(key.endsWith('Sync') || key === 'userInfo')) continue;
    module[key] = function (this: unknown, ...args: unknown[]): unknown {
      if (watched !== undefined) note(`${name}.${key}`);
      return Reflect.apply(original, this, args) as unknown;
    };
  }
}

interface LoadedModule {
  exports: { activate?: (context: unknown) => unknown };
  load: (filename: string) => void;
}
const prototype = Module.prototype as unknown as LoadedModule;
const load = prototype.load;
prototype.load = function (this: LoadedModule, filename: string): void {
  const began = performance.now();
  Reflect.apply(load, this, [filename]);
  const { activate } = this.exports;
  if (!bundle.test(filename) || activate === undefined) return;
  const record: WatchedActivation = { loadMs: performance.now() - began, activateMs: 0, accesses: [] };
  const watchedActivate = (context: unknown): unknown => {
    const activateBegan = performance.now();
    watched = record;
    try {
      return activate(context);
    } finally {
      watched = undefined;
      record.activateMs = performance.now() - activateBegan;
      Object.assign(globalThis, { c10mActivation: record });
    }
  };
  this.exports = { ...this.exports, activate: watchedActivate };
};

/** VS Code wants one; the watch begins when the file is loaded. */
export function activate(): void {
  // Nothing to do.
}
