import { HumanError } from '../../core/errors.js';

/** A host as a person names it: an alias of ssh_config or a host name, with a user and a port where they were given. */
export interface HostName {
  user?: string | undefined;
  host: string;
  port?: string | undefined;
}

/**
 * Splits `[user@]name[:port]`, `[user@][v6 address]:port` and `ssh://…`. A bare IPv6 address has no port.
 * Throws a HumanError `usage` for what cannot be a host, among it anything that could be taken for an option of a program.
 */
export function parseHostName(text: string): HostName {
  const fail = (why: string): never => {
    throw new HumanError(`${JSON.stringify(text)} is not a host: ${why}.`, { code: 'usage', remedy: 'Write an alias of ~/.ssh/config, or user@name:port.' });
  };
  const body = text.replace(/^ssh:\/\//, '').replace(/\/$/, '');
  // The last @, since user names may hold one.
  const at = body.lastIndexOf('@');
  const user = at === -1 ? undefined : body.slice(0, at);
  let host = body.slice(at + 1);
  let port: string | undefined;
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(host);
  if (bracketed !== null) {
    host = bracketed[1]!;
    port = bracketed[2];
  } else if (host.split(':').length === 2) {
    [host, port] = host.split(':') as [string, string];
  }
  if (host === '') fail('the name is empty');
  if (user === '') fail('the user name is empty');
  // ProxyCommand puts these into a shell's text: OpenSSH forbids the same characters (valid_hostname, valid_ruser).
  if (host.startsWith('-') || /[\s'"`$\\;&<>|(){}*?!\p{Cc}]/u.test(host)) fail('the name holds characters that no host name has');
  if (user !== undefined && (user.startsWith('-') || /[\s'"`;&<>|(){}\p{Cc}]/u.test(user) || user.endsWith('\\')))
    fail('the user name holds characters that no user name has');
  if (port !== undefined && !isPort(port)) fail(`${JSON.stringify(port)} is not a port (1 to 65535)`);
  return { ...(user === undefined ? {} : { user }), host, ...(port === undefined ? {} : { port: String(Number(port)) }) };
}

export function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}
