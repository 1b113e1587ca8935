import type { ConnectOptions, HostConnection } from './contract.js';
import { connectLocal } from './local.js';
import { connectSsh } from './ssh/sshHost.js';

/** A bundle of its own has texts of its own: whoever loads it passes the translations on. */
export { useTexts } from '../core/texts.js';
export type { ConfirmQuestion, ConnectOptions, HostConnection, HostKeyQuestion, Prompts, RelayChannel, SecretQuestion } from './contract.js';

/**
 * Reaches and equips a host: `local`, an alias of ssh_config, or `user@name:port`.
 * Throws HumanErrors: `unreachable`, `accessRefused`, `unsupported`, `cancelled`, `usage`.
 */
export function connectHost(name: string, options: ConnectOptions): Promise<HostConnection> {
  return name === 'local' ? connectLocal(options) : connectSsh(name, options);
}
