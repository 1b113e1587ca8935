import { HumanError } from '../core/errors.js';
import type { ControllerCommand } from '../protocol/commands.js';
import type { HostLease } from './hostPool.js';
import { watchRelay } from './relayWatch.js';

/** One question to a host, over a relay of its own: a probe, its runs, its restoration. Throws HumanErrors; one that hangs is noticed. */
export async function askHost<T>(lease: HostLease, build: (id: number) => ControllerCommand, signal: AbortSignal): Promise<T> {
  const relay = await lease.openRelay(signal);
  let endWatch: () => void = () => undefined;
  try {
    const silence = new Promise<never>((_resolve, reject) => {
      endWatch = watchRelay(
        relay,
        () => undefined,
        (why) => reject(new HumanError(`The agent on the host hangs. ${why}`, { code: 'unreachable' })),
      ).end;
    });
    return await Promise.race([relay.request<T>(build, signal), silence]);
  } finally {
    endWatch();
    relay.close();
  }
}
