import type { WebSocketOptions } from '../../protocol/worker.js';
import { Template, type ConnectionNames } from '../opening/template.js';
import { keyLength } from './accept.js';
import { hostHeader, requestOf, upgradeHeaders, type HandshakeRequest } from './clientHandshake.js';

/** Upgrade requests as a service wants them: with a query, headers and subprotocols, and where they name the connection, one for each. */
export class UpgradeRequests {
  private readonly before: Template | undefined;
  private readonly after: Template | undefined;
  private readonly hasHost: boolean;

  /** Throws a HumanError (usage) for a name in braces that is wrong. */
  constructor(
    private readonly path: string,
    { headers = [], subprotocols = [], compression = false }: WebSocketOptions,
    secrets: Readonly<Record<string, string>>,
  ) {
    this.hasHost = headers.some((header) => /^host:/i.test(header));
    const own = [...headers];
    if (subprotocols.length > 0) own.push(`Sec-WebSocket-Protocol: ${subprotocols.join(', ')}`);
    if (compression) own.push('Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits');
    if (own.length === 0 && !path.includes('{')) return;
    this.before = new Template(`GET ${path} HTTP/1.1\r\n${this.hasHost ? '' : 'Host: {host}\r\n'}${upgradeHeaders}`, secrets, 'The path');
    this.after = new Template(`\r\n${own.map((header) => `${header}\r\n`).join('')}\r\n`, secrets, 'A header');
  }

  /** The request that every connection to this destination begins with, or undefined where each has its own. */
  fixed(address: string, port: number): HandshakeRequest | undefined {
    const { before, after } = this;
    if (before === undefined || after === undefined) return requestOf(address, port, this.path);
    const names = { connection: 0, host: hostHeader(address, port), port };
    // With {host} it differs between destinations only, so one rendering of each would do; that is what the caller keeps.
    return this.isPerConnection ? undefined : this.render(names);
  }

  render(names: ConnectionNames): HandshakeRequest {
    const head = this.before!.render(names);
    return { bytes: Buffer.concat([head, Buffer.alloc(keyLength, 0x20), this.after!.render(names)]), keyAt: head.length };
  }

  private get isPerConnection(): boolean {
    return (this.before?.isPerConnection ?? false) || (this.after?.isPerConnection ?? false);
  }
}
