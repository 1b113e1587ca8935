import { laptopEnvironment } from '../../transport/environment.js';
import { listAliases, resolveHost } from '../../transport/ssh/config.js';
import { unsupportedText } from '../../transport/ssh/unsupported.js';

/** The aliases of ~/.ssh/config and the files it includes. Reads only. */
export function sshAliases(): Promise<readonly string[]> {
  return Promise.resolve(listAliases({ environment: laptopEnvironment() }).map(({ alias }) => alias));
}

/** The options of ssh_config that decide about a login to this host and are not followed, on one line; undefined where all are. */
export function unfollowedOf(target: string): string | undefined {
  return unsupportedText(resolveHost(target, { environment: laptopEnvironment() }).unsupported)?.replace(/\.$/, '');
}
