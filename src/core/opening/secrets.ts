import { HumanError } from '../errors.js';
import { openingOf } from './openings.js';
import { environmentNames } from '../../protocol/opening.js';
import type { RunSpec } from '../../protocol/spec.js';

/** Values of `{env:NAME}` in what the clients of a run say. Throws a HumanError (usage) for one that is not set. */
export function secretsOf(spec: RunSpec, environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const said = [spec.opening === undefined ? undefined : openingOf(spec.opening), spec.websocket, spec.websocketPath];
  return Object.fromEntries(
    environmentNames(said).map((name) => {
      const value = environment[name];
      if (value === undefined)
        throw new HumanError(`The environment variable ${name}, which the opening or a header names, is not set; nothing was started.`, {
          code: 'usage',
          remedy: `Set it where you start the run: ${name}=… c10m run …`,
        });
      return [name, value];
    }),
  );
}
