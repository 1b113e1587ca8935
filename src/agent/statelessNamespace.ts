import { writeFileSync } from 'node:fs';
import { HumanError, messageOf } from '../core/errors.js';
import { statelessServerAddress } from '../core/plan/layout.js';
import { addLoopbackAddress } from '../linux/tun.js';

/**
 * Makes the run's own network namespace ready for clients without sockets: an address for the servers, since packets from a device to 127.0.0.1 are
 * refused, and no SYN cookies, since with them a connection whose last ACK meets a full accept queue is one that only the client knows. The kernel
 * then keeps it and asks again. All of it vanishes with the namespace; must never be called in the host's own.
 */
export function prepareStatelessNamespace(): void {
  try {
    addLoopbackAddress(statelessServerAddress);
    writeFileSync('/proc/sys/net/ipv4/tcp_syncookies', '0');
  } catch (error) {
    throw new HumanError(`The run's network namespace could not be made ready for clients without sockets: ${messageOf(error)}.`, {
      remedy: 'Use --client sockets, or a host where a namespace of its own may be configured.',
      cause: error,
    });
  }
}
