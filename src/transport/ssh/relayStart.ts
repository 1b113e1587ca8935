import { cancelledError } from '../../core/cancellation.js';
import { PassThrough } from 'node:stream';
import { boundedLine } from '../../core/foreignText.js';
import type { ClientChannel } from 'ssh2';
import { HumanError } from '../../core/errors.js';
import { LineSplitter } from '../../files/lines.js';
import { patience } from '../../files/sleep.js';
import { loginShellCommand, shellQuoted } from '../quote.js';
import type { RelayStreams } from '../relayChannel.js';
import type { Link } from './link.js';
import { openChannel, type ExecChannel } from './sshShell.js';

const readyMark = 'C10M-RELAY-READY';
/** sudo prints this when, and only when, it reads a password from its standard input. */
const sudoPrompt = 'C10M-SUDO-PASSWORD:';
/** A host that is swapping may take long to start Node; one that takes longer is hanging. */
const startTimeoutMs = 30_000;

export type Privilege = 'none' | 'passwordless' | 'password';

/** The password for sudo; `attempt` from 1. Undefined: the person has none, or does not want to give it. */
type AskSudo = (attempt: number) => Promise<string | undefined>;

/** The relay did not start with these rights: the next best way may. */
export class PrivilegeRefused extends Error {}

/**
 * Starts `node agent.cjs relay` over one exec channel and hands over its streams once it runs. A password for sudo is sent
 * on standard input only, and only after sudo asked for it, so that it can never reach the relay.
 */
export async function startRelay(link: Link, node: string, agent: string, privilege: Privilege, askSudo: AskSudo, signal: AbortSignal): Promise<RelayStreams> {
  // The inner shell says that it runs, which tells a banner or sudo's lecture from the relay.
  const inner = `echo ${readyMark}-$(id -u); exec ${shellQuoted(node)} ${shellQuoted(agent)} relay`;
  const sudo = privilege === 'passwordless' ? 'sudo -n --' : `sudo -k -S -p ${shellQuoted(sudoPrompt)} --`;
  const command = privilege === 'none' ? inner : `exec ${sudo} sh -c ${shellQuoted(inner)}`;
  const exec = await openChannel(link, loginShellCommand(command), signal);
  return new RelayStart(exec, link, privilege, askSudo, signal).run();
}

class RelayStart {
  private readonly output = new PassThrough();
  private readonly errors = new PassThrough();
  private readonly said: string[] = [];
  private errorText = '';
  private sudoAttempts = 0;
  private ready = false;

  constructor(
    private readonly exec: ExecChannel,
    private readonly link: Link,
    private readonly privilege: Privilege,
    private readonly askSudo: AskSudo,
    private readonly signal: AbortSignal,
  ) {}

  run(): Promise<RelayStreams> {
    const { channel } = this.exec;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const startTimer = () => {
        clearTimeout(timer);
        timer = setTimeout(() => fail(new HumanError(`The agent did not start within ${startTimeoutMs / 1_000} s.`, { code: 'unreachable' })), startTimeoutMs);
      };
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: Error) =>
        settle(() => {
          channel.close();
          reject(error);
        });
      const onAbort = () => fail(cancelledError());
      this.signal.addEventListener('abort', onAbort, { once: true });
      const ended = new Promise<string>((resolveEnded) => {
        channel.once('close', () => {
          const code = this.exec.exitCode;
          if (!this.ready) fail(this.explainFailure(code));
          this.output.end();
          this.errors.end();
          if (code !== undefined) resolveEnded(`The agent's relay on the host ended with code ${code}.`);
          // No code means that the link, or the session on the host, is gone: the former knows better why.
          else void Promise.race([this.link.closed, patience(500)]).then((reason) => resolveEnded(reason ?? 'The session on the host was ended from outside.'));
        });
      });
      channel.on('error', () => undefined);
      channel.stderr.on('data', (chunk: Buffer) => this.readErrors(chunk, startTimer, () => clearTimeout(timer), fail));
      const splitter = new LineSplitter(
        (line) => {
          // Up to the mark, lines of the host itself; from there on they are the relay's.
          if (this.ready) this.output.write(`${line}\n`);
          else if (line.startsWith(`${readyMark}-`)) {
            // Proven, not believed: what a program called sudo does is its own affair.
            if (this.privilege !== 'none' && line !== `${readyMark}-0`) {
              fail(new PrivilegeRefused(`it gave user ${boundedLine(line.slice(readyMark.length + 1), 20)} instead of root`));
              return;
            }
            this.ready = true;
            settle(() => resolve({ input: channel, output: this.output, errors: this.errors, ended, end: () => endChannel(channel) }));
          } else if (this.said.length < 20) this.said.push(boundedLine(line, 500));
        },
        (beginning) => this.errors.write(`a line of the relay was too long and was dropped: ${beginning}\n`),
      );
      channel.on('data', (chunk: Buffer) => splitter.write(chunk));
      startTimer();
    });
  }

  private readErrors(chunk: Buffer, startTimer: () => void, stopTimer: () => void, fail: (error: Error) => void): void {
    if (this.ready) {
      this.errors.write(chunk);
      return;
    }
    // 64 KiB of a banner or of complaints say enough.
    this.errorText = (this.errorText + chunk.toString('utf8')).slice(-65_536);
    if (this.privilege !== 'password' || !this.errorText.includes(sudoPrompt)) return;
    this.errorText = this.errorText.replaceAll(sudoPrompt, '');
    this.sudoAttempts++;
    stopTimer();
    this.askSudo(this.sudoAttempts).then(
      (password) => {
        if (password === undefined) {
          fail(new PrivilegeRefused('no password for sudo was given'));
          return;
        }
        startTimer();
        this.exec.channel.write(`${password}\n`);
      },
      (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private explainFailure(code: number | undefined): Error {
    const said = boundedLine([this.errorText, ...this.said].join(' ').trim().replace(/\s+/g, ' '), 400);
    if (this.privilege !== 'none') return new PrivilegeRefused(said === '' ? `sudo ended with code ${code ?? 'unknown'}` : said);
    if (code === undefined) return new HumanError('The connection to the host was lost while the agent was started.', { code: 'unreachable' });
    return new HumanError(`The agent could not be started on the host (code ${code}${said === '' ? '' : `: ${said}`}).`, { code: 'unsupported' });
  }
}

function endChannel(channel: ClientChannel): void {
  // The end of its input ends the relay; a relay that hangs loses its channel.
  channel.end();
  const timer = setTimeout(() => channel.close(), 2_000);
  channel.once('close', () => clearTimeout(timer));
}
