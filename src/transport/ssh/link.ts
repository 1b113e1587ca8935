import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import { cancelledError } from '../../core/cancellation.js';
import type { Prompts } from '../contract.js';
import { offeredAlgorithms } from './algorithms.js';
import { Authenticator } from './authentication.js';
import { HostKeyJudge } from './hostKeys.js';
import { loadIdentities } from './identities.js';
import type { Secrets } from './secrets.js';
import type { SshSettings } from './settings.js';

export interface LinkOptions {
  prompts: Prompts;
  secrets: Secrets;
  signal: AbortSignal;
  log: (line: string) => void;
}

/** One SSH connection that is logged in. */
export interface Link {
  client: Client;
  /** Resolves with the reason, one sentence, when it is gone. Never rejects. */
  closed: Promise<string>;
  end(): void;
}

/**
 * Connects to one host, over `sock` (a jump host's channel or a ProxyCommand) or TCP: verifies the host key, then logs in.
 * Throws HumanErrors: `unreachable`, `accessRefused`, `cancelled`.
 */
export async function openLink(settings: SshSettings, sock: Duplex | undefined, options: LinkOptions): Promise<Link> {
  const judge = await HostKeyJudge.load(settings, options.prompts, options.log);
  const { identities, problems } = await loadIdentities(settings, options.secrets, options.log);
  // A ProxyCommand may have failed while the files were read; its stream would not say so again.
  if (sock?.destroyed === true || sock?.readableEnded === true) {
    throw new HumanError(`The way to ${settings.hostName} was closed before the connection was made${sock.errored ? ` (${sock.errored.message})` : ''}.`, {
      code: 'unreachable',
      remedy: 'Run the ProxyCommand by hand to see what it says.',
    });
  }
  return new Handshake(settings, sock, options, judge, new Authenticator(settings, identities, options.secrets), problems).run();
}

/** A link that answers takes a goodbye within a round trip; nobody waits for one that does not. */
const goodbyeMs = 300;

/** Says goodbye; a link that is dead cannot, and would hold its socket until the keep-alive gives up. */
function endClient(client: Client): void {
  // ssh2 destroys no socket whose writing side has ended, which is what `end` does to it.
  const socket = (client as Client & { _sock?: Duplex })._sock;
  client.end();
  setTimeout(() => socket?.destroy(), goodbyeMs).unref();
}

/** The way from a socket to a link. */
class Handshake {
  private readonly client = new ssh2.Client();
  /** What the verifier or a person decided; it explains the error that ssh2 reports afterwards. */
  private verdict: HumanError | undefined;
  private failure: Error | undefined;
  private timer: NodeJS.Timeout | undefined;
  private settled = false;

  constructor(
    private readonly settings: SshSettings,
    private readonly sock: Duplex | undefined,
    private readonly options: LinkOptions,
    private readonly judge: HostKeyJudge,
    private readonly authenticator: Authenticator,
    private readonly problems: readonly string[],
  ) {}

  run(): Promise<Link> {
    const { client, options } = this;
    return new Promise<Link>((resolve, reject) => {
      const settle = (act: () => void) => {
        if (this.settled) return;
        this.settled = true;
        this.pauseTimer();
        options.signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: HumanError) =>
        settle(() => {
          client.end();
          client.destroy();
          this.sock?.destroy();
          reject(error);
        });
      const onAbort = () => fail(cancelledError());
      if (options.signal.aborted) {
        fail(cancelledError());
        return;
      }
      options.signal.addEventListener('abort', onAbort, { once: true });
      let reason = 'The SSH connection was closed.';
      const closed = new Promise<string>((resolveClosed) => {
        client.on('close', () => {
          fail(this.explain());
          resolveClosed(reason);
        });
      });
      client.on('error', (error: Error & { level?: string }) => {
        // A key that cannot be used is one attempt less, not the end.
        if (error.level === 'agent') {
          options.log(`${this.settings.name}: ${boundedLine(error.message, 2_000)}`);
          return;
        }
        this.failure ??= error;
        reason =
          error.level === 'client-timeout'
            ? 'The host no longer answers: the link was lost.'
            : `The SSH connection was lost: ${boundedLine(error.message, 300)}.`;
        fail(this.explain());
      });
      client.on('banner', (message) => options.log(`${this.settings.name} says: ${boundedLine(message.trim(), 2_000)}`));
      client.on('change password', () => {
        const { user, hostName } = this.settings;
        fail(new HumanError(`The password of ${user}@${hostName} has expired.`, { code: 'accessRefused', remedy: 'Log in with ssh once to set a new one.' }));
      });
      client.on('ready', () =>
        settle(() => {
          this.authenticator.succeeded();
          resolve({ client, closed, end: () => endClient(client) });
        }),
      );
      this.startTimer(fail);
      client.connect(this.configuration(fail));
    });
  }

  private configuration(fail: (error: HumanError) => void): ConnectConfig {
    const { settings } = this;
    return {
      host: settings.hostName,
      port: settings.port,
      username: settings.user,
      ...(this.sock === undefined ? {} : { sock: this.sock }),
      ...(settings.addressFamily === 'inet' ? { forceIPv4: true } : settings.addressFamily === 'inet6' ? { forceIPv6: true } : {}),
      ...(settings.bindAddress === undefined ? {} : { localAddress: settings.bindAddress }),
      algorithms: offeredAlgorithms(settings, this.judge.typesOnFile),
      keepaliveInterval: settings.keepaliveIntervalMs,
      keepaliveCountMax: settings.keepaliveCountMax,
      // Ours stops while a person thinks; ssh2's would not.
      readyTimeout: 0,
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
        this.pauseTimer();
        this.judge.judge(key).then(
          () => {
            this.startTimer(fail);
            verify(true);
          },
          (error: unknown) => {
            this.verdict =
              error instanceof HumanError ? error : new HumanError(`The host key could not be checked: ${String(error)}.`, { code: 'accessRefused' });
            verify(false);
          },
        );
      },
      authHandler: ((_left: unknown, _partial: unknown, next: (attempt: unknown) => void) => {
        this.pauseTimer();
        this.authenticator.next().then(
          (attempt) => {
            if (attempt === false) this.verdict = this.authenticator.failure(this.problems);
            else this.startTimer(fail);
            next(attempt);
          },
          (error: unknown) => {
            this.verdict = new HumanError(`The login failed: ${String(error)}.`, { code: 'accessRefused' });
            next(false);
          },
        );
      }) as unknown as NonNullable<ConnectConfig['authHandler']>,
      // The list that ssh2 hands to its handler is stale after an attempt with an agent's key, so that a key that was
      // accepted as the first of two factors would look refused. What the server really said is in this line.
      debug: (line: string) => {
        if (this.settled) return;
        const methods = /^Inbound: Received USERAUTH_FAILURE \((.*)\)$/.exec(line)?.[1];
        if (methods !== undefined) this.authenticator.methodsLeft = methods.split(',').filter((method) => method !== '');
      },
    };
  }

  private startTimer(fail: (error: HumanError) => void): void {
    this.pauseTimer();
    if (this.settled) return;
    this.timer = setTimeout(() => {
      fail(
        new HumanError(`${this.where()} did not answer within ${this.settings.connectTimeoutMs / 1_000} s.`, {
          code: 'unreachable',
          remedy: 'Check the name, the port, and that nothing on the way drops the packets; ConnectTimeout in ssh_config sets the time.',
        }),
      );
    }, this.settings.connectTimeoutMs);
  }

  private pauseTimer(): void {
    clearTimeout(this.timer);
  }

  private where(): string {
    return `${this.settings.hostName}${this.settings.port === 22 ? '' : ` port ${this.settings.port}`}`;
  }

  /** Why the connection did not come about, as one sentence. */
  private explain(): HumanError {
    if (this.verdict !== undefined) return this.verdict;
    const error = this.failure as (Error & { level?: string; code?: string }) | undefined;
    const where = this.where();
    const unreachable = (message: string, remedy: string) => new HumanError(message, { code: 'unreachable', remedy, cause: error });
    if (error?.level === 'client-authentication') return this.authenticator.failure(this.problems);
    switch (error?.code) {
      case 'ECONNREFUSED':
        return unreachable(`${where} refused the connection.`, 'Check the port, and that an SSH server runs there.');
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return unreachable(`The host name ${this.settings.hostName} was not found.`, 'Check the name, or add it to ~/.ssh/config.');
      case 'EHOSTUNREACH':
      case 'ENETUNREACH':
        return unreachable(`There is no way to ${where} from here.`, 'Check the network, a VPN, or the jump host.');
      case 'ETIMEDOUT':
        return unreachable(`${where} did not answer.`, 'Check the name, the port, and firewalls on the way.');
      default:
    }
    if (error?.message === 'Bad packet length') {
      return unreachable(
        `${where} sent more in one packet than SSH has clients take (35,000 bytes), such as a very long banner.`,
        'Shorten its Banner or what its login prints; ssh shows it.',
      );
    }
    if (error?.message.includes('no matching') === true) {
      return unreachable(
        `${where} and C10M have no common algorithm (${boundedLine(error.message, 300)}).`,
        'Allow a newer one on the host, or add the old one to ssh_config, such as KexAlgorithms +diffie-hellman-group14-sha1.',
      );
    }
    if (this.authenticator.tried.length > 0) {
      return new HumanError(`${where} closed the connection during the login (tried: ${this.authenticator.tried.join('; ')}).`, {
        code: 'accessRefused',
        remedy: 'The host may limit the number of attempts: offer fewer keys (IdentitiesOnly yes with one IdentityFile).',
      });
    }
    return unreachable(
      `${where} closed the connection before it was made${error === undefined ? '' : ` (${boundedLine(error.message, 300)})`}.`,
      'Check that an SSH server runs there, and its log.',
    );
  }
}
