import type { Duplex } from 'node:stream';
import ssh2, { type Algorithms, type Client, type ConnectConfig } from 'ssh2';
import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import { cancelledError, throwIfCancelled } from '../../core/cancellation.js';
import { OfferedAlgorithms, offeredAlgorithms, withHostKeysFirst } from './algorithms.js';
import { Authenticator } from './authentication.js';
import { HostKeyJudge, type JudgeOptions } from './hostKeys.js';
import { loadIdentities, type Identity } from './identities.js';
import type { Secrets } from './secrets.js';
import type { SshSettings } from './settings.js';
import { allowWholeSignatures, hearInstructions } from './wholeSignatures.js';

export interface LinkOptions extends JudgeOptions {
  secrets: Secrets;
  /** For what the host says: shown at once. */
  inform: (text: string) => void;
}

/** One SSH connection that is logged in. */
export interface Link {
  client: Client;
  /** Resolves with the reason, one sentence, when it is gone. Never rejects. */
  closed: Promise<string>;
  end(): void;
}

/**
 * Connects to one host, over what `openSocket` gives (a jump host's channel or a ProxyCommand; undefined: TCP): verifies the host key, then logs in.
 * Whatever may ask a person is done before the host is called, since hosts wait for a login for two minutes only.
 * Throws HumanErrors: `unreachable`, `accessRefused`, `cancelled`.
 */
export async function openLink(settings: SshSettings, openSocket: () => Promise<Duplex | undefined>, options: LinkOptions): Promise<Link> {
  const algorithms = offeredAlgorithms(settings);
  const judge = await HostKeyJudge.load(settings, options);
  const { identities, problems } = await loadIdentities(settings, options);
  throwIfCancelled(options.signal);
  const sock = await openSocket();
  return new Handshake(settings, sock, options, judge, identities, problems, algorithms).run();
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

/** Of what a host says during a login, so much is kept for questions and errors. */
const keptWords = 1_000;

/** The way from a socket to a link. */
class Handshake {
  private readonly client = new ssh2.Client();
  private readonly authenticator: Authenticator;
  private readonly offered = new OfferedAlgorithms();
  /** What the verifier or a person decided; it explains the error that ssh2 reports afterwards. */
  private verdict: HumanError | undefined;
  private failure: Error | undefined;
  /** Of the network: runs until the login begins, and never while a person is asked. */
  private timer: NodeJS.Timeout | undefined;
  private endWait: () => void = () => undefined;
  private settled = false;
  /** What the host said during the login. */
  private said = '';

  constructor(
    private readonly settings: SshSettings,
    private readonly sock: Duplex | undefined,
    private readonly options: LinkOptions,
    private readonly judge: HostKeyJudge,
    identities: readonly Identity[],
    private readonly problems: readonly string[],
    private readonly algorithms: Algorithms,
  ) {
    this.authenticator = new Authenticator(settings, identities, options.secrets, options.signal, () => (this.said === '' ? undefined : this.said));
  }

  run(): Promise<Link> {
    const { client, options } = this;
    return new Promise<Link>((resolve, reject) => {
      const settle = (act: () => void) => {
        if (this.settled) return;
        this.settled = true;
        this.pauseTimer();
        this.endWait();
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
      client.on('banner', (message) => this.hear(message));
      this.authenticator.onGivenUp = () => fail(this.authenticator.failure(this.problems));
      client.on('change password', (message: string) => {
        const { user, hostName } = this.settings;
        const said = message.trim() === '' ? '' : ` It says: ${boundedLine(message.trim(), 300)}`;
        fail(
          new HumanError(`The password of ${user}@${hostName} has expired.${said}`, {
            code: 'accessRefused',
            remedy: 'Log in with ssh once to set a new one.',
          }),
        );
      });
      client.on('ready', () =>
        settle(() => {
          this.authenticator.succeeded();
          resolve({ client, closed, end: () => endClient(client) });
        }),
      );
      this.startTimer(fail);
      client.connect(this.configuration(fail));
      allowWholeSignatures(client);
      hearInstructions(client, (text) => this.hear(text));
    });
  }

  /** What the host says is shown at once, whole, and kept for the questions and errors that follow. */
  private hear(text: string): void {
    const line = boundedLine(text.trim(), 2_000);
    if (line === '') return;
    this.said = boundedLine(`${this.said}${this.said === '' ? '' : ' ⏎ '}${line}`, keptWords);
    this.options.log(`${this.settings.name} says: ${line}`);
    this.options.inform(`${this.settings.name} says: ${line}`);
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
      algorithms: withHostKeysFirst(this.algorithms, this.judge.typesOnFile),
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
        // The transport is up: ConnectTimeout ends here, as in OpenSSH. From now on persons, phones, tokens and directories may act, here or there.
        this.pauseTimer();
        this.endWait();
        this.authenticator.next().then(
          (attempt) => {
            if (attempt === false) this.verdict = this.authenticator.failure(this.problems);
            else this.waitForHost(fail);
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
        this.offered.read(line);
        const methods = /^Inbound: Received USERAUTH_FAILURE \((.*)\)$/.exec(line)?.[1];
        if (methods !== undefined) this.authenticator.methodsLeft = methods.split(',').filter((method) => method !== '');
      },
    };
  }

  /** What the host waits for is its own affair: a push to a phone, a token, a directory service. It is shown, and ends some time. */
  private waitForHost(fail: (error: HumanError) => void): void {
    this.endWait();
    if (this.settled) return;
    const { name } = this.settings;
    this.endWait = this.options.waits.begin(`${name} to decide about the login (it may ask a phone, a token or a directory service)`, (limitMs) => {
      fail(
        new HumanError(`${this.where()} did not decide about the login within ${limitMs / 1_000} s (tried: ${this.authenticator.tried.join('; ')}).`, {
          code: 'accessRefused',
          remedy: 'Look for a question on a phone or token; the log of the host says what it waits for.',
        }),
      );
    });
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
    const missing = this.offered.explain(error?.message, where, this.algorithms);
    if (missing !== undefined) return missing;
    if (this.authenticator.tried.length > 0) {
      const said = this.said === '' ? '' : ` It says: ${this.said}`;
      const why = error === undefined ? '' : ` (${boundedLine(error.message, 300)})`;
      return new HumanError(`${where} closed the connection during the login${why}; tried: ${this.authenticator.tried.join('; ')}.${said}`, {
        code: 'accessRefused',
        remedy: /too many/i.test(error?.message ?? '')
          ? 'The host limits the number of attempts: offer fewer keys (IdentitiesOnly yes with one IdentityFile).'
          : 'The log of the host says why. An account or password that has expired, or rules about who may log in from where, end a login like this.',
      });
    }
    return unreachable(
      `${where} closed the connection before it was made${error === undefined ? '' : ` (${boundedLine(error.message, 300)})`}.`,
      'Check that an SSH server runs there, and its log.',
    );
  }
}
