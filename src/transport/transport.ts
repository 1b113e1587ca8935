import { HumanError } from '../core/errors.js';
import type { ConnectOptions, HostConnection } from './contract.js';
import { connectLocal } from './local.js';

export type { ConfirmQuestion, ConnectOptions, HostConnection, HostKeyQuestion, Prompts, RelayChannel, SecretQuestion } from './contract.js';

/**
 * Reaches and equips a host: `local`, an alias of ssh_config, or `user@name:port`.
 * Throws HumanErrors: `unreachable`, `accessRefused`, `unsupported`, `cancelled`, `usage`.
 */
export async function connectHost(name: string, options: ConnectOptions): Promise<HostConnection> {
  if (name === 'local') return connectLocal(options);
  return Promise.reject(new HumanError(`The host ${name} cannot be reached: SSH is not built in yet.`, { code: 'unsupported' }));
}
