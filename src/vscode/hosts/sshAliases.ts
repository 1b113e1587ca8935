import { laptopEnvironment } from '../../transport/environment.js';
import { listAliases } from '../../transport/ssh/config.js';

/** The aliases of ~/.ssh/config and the files it includes. Reads only. */
export function sshAliases(): Promise<readonly string[]> {
  return Promise.resolve(listAliases({ environment: laptopEnvironment() }).map(({ alias }) => alias));
}
