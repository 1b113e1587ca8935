import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { stopLab } from './host.js';
import { makeTestPayload } from './testAgent.js';

/** A directory for the tests of a file with the payload of their agent; both, and all hosts, are gone at their end. Call it at the top of the file. */
export function useTestPayload(): { directory: string; readonly payload: string } {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-payload-'));
  let payload = '';
  before(() => {
    payload = makeTestPayload(directory);
  });
  after(async () => {
    await stopLab();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    get payload() {
      return payload;
    },
  };
}
