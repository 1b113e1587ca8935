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
import type { PersonWaits } from './personWaits.js';
import { openChannel, type ExecChannel } from './sshShell.js';

const readyMark = 'C10M-RELAY-READY';
const blockedMark = 'C10M-RELAY-BLOCKED';
/** sudo prints this when, and only when, it reads the account's password from its standard input. */
const sudoPrompt = 'C10M-SUDO-PASSWORD:';
/** A host that is swapping may take long to start Node; one that takes longer is hanging. With sudo before it, persons and directories act: no clock of ours runs. */
const startTimeoutMs = 30_000;
/** Text without the end of its line for so long is a question: sudo and what it calls write one at once. */
const questionMs = 700;

/** More is no longer a question or an explanation. */
const maximumQuestion = 1_000;
const keptLines = 40;

export type Privilege = 'none' | 'passwordless' | 'password';

/** What sudo asks: the password (`attempt` from 1), or anything else. Undefined: the person has none, or does not want to give it. */
export type AskSudo = (question: { attempt: number } | { prompt: string }) => Promise<string | undefined>;

/** sudo puts our prompt in the place of each of PAM's own words. */
const nextFactor = 'The next factor that sudo wants, such as a code';

/** The relay did not start with these rights: the next best way may. */
export class PrivilegeRefused extends Error {}

/** Root cannot run this program or read this file where the user can: a home on a server that does not trust root, or that only the user sees. */
export class RootBlocked extends Error {
  constructor(readonly what: 'agent' | 'node') {
    super(`root cannot ${what === 'node' ? 'run' : 'read'} the ${what} that the user can`);
  }
}

export interface RelayCommand {
  /** Paths on the host. */
  node: string;
  agent: string;
  privilege: Privilege;
}

export interface RelayStartOptions {
  askSudo: AskSudo;
  waits: PersonWaits;
  signal: AbortSignal;
  /** For what the host says before the relay runs. */
  inform: (text: string) => void;
  /** Of the host, for what is shown. */
  name: string;
}

/**
 * Starts `node agent.cjs relay` over one exec channel and hands over its streams once it runs. A password for sudo is sent
 * on standard input only, and only after sudo asked for it, so that it can never reach the relay. Rejects with PrivilegeRefused, RootBlocked or a HumanError.
 */
export async function startRelay(link: Link, command: RelayCommand, options: RelayStartOptions): Promise<RelayStreams> {
  const { privilege } = command;
  const [node, agent] = [shellQuoted(command.node), shellQuoted(command.agent)];
  // The inner shell says that it runs, which tells a banner or sudo's lecture from the relay.
  const start = `echo ${readyMark}-$(id -u); exec ${node} ${agent} relay`;
  // Root is asked itself whether it can use what was tried as the user.
  const asRoot = `if [ $(id -u) = 0 ]; then [ -r ${agent} ] || { echo ${blockedMark}-agent; exit 3; }; ${node} -e 0 </dev/null >/dev/null 2>&1 || { echo ${blockedMark}-node; exit 3; }; fi; ${start}`;
  const sudo = privilege === 'passwordless' ? 'sudo -n --' : `sudo -k -S -p ${shellQuoted(sudoPrompt)} --`;
  const exec = await openChannel(link, loginShellCommand(privilege === 'none' ? start : `exec ${sudo} sh -c ${shellQuoted(asRoot)}`), options.signal);
  return new RelayStart(exec, link, privilege, options).run();
}

class RelayStart {
  private readonly output = new PassThrough();
  private readonly errors = new PassThrough();
  private readonly said: string[] = [];
  /** What came on standard error and is no whole line yet. */
  private unfinished = '';
  private question: NodeJS.Timeout | undefined;
  private sudoAttempts = 0;
  /** Lines that were said when something was asked last. */
  private saidWhenAsked = 0;
  private ready = false;

  constructor(
    private readonly exec: ExecChannel,
    private readonly link: Link,
    private readonly privilege: Privilege,
    private readonly options: RelayStartOptions,
  ) {}

  run(): Promise<RelayStreams> {
    const { channel } = this.exec;
    return new Promise((resolve, reject) => {
      const { signal } = this.options;
      const stopWaiting = this.wait((error) => fail(error));
      const settle = (act: () => void) => {
        stopWaiting();
        clearTimeout(this.question);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: Error) =>
        settle(() => {
          channel.close();
          reject(error);
        });
      const onAbort = () => fail(cancelledError());
      signal.addEventListener('abort', onAbort, { once: true });
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
      channel.stderr.on('data', (chunk: Buffer) => this.readErrors(chunk, fail));
      const splitter = new LineSplitter(
        (line) => {
          // Up to the mark, lines of the host itself; from there on they are the relay's.
          if (this.ready) this.output.write(`${line}\n`);
          else if (line.startsWith(`${readyMark}-`)) {
            // Proven, not believed: what a program called sudo does is its own affair.
            if (this.privilege !== 'none' && line !== `${readyMark}-0`) {
              fail(new PrivilegeRefused(whatSudoGave(line.slice(readyMark.length + 1))));
              return;
            }
            this.ready = true;
            this.say(this.unfinished);
            settle(() => resolve({ input: channel, output: this.output, errors: this.errors, ended, end: () => endChannel(channel) }));
          } else if (this.privilege !== 'none' && line.startsWith(`${blockedMark}-`)) fail(new RootBlocked(line.endsWith('node') ? 'node' : 'agent'));
          else if (this.said.length < keptLines) this.said.push(boundedLine(line, 500));
        },
        (beginning) => this.errors.write(`a line of the relay was too long and was dropped: ${beginning}\n`),
      );
      channel.on('data', (chunk: Buffer) => splitter.write(chunk));
    });
  }

  /** The clock for the start of the agent, or the wait for what sudo does. Returns its end. */
  private wait(fail: (error: Error) => void): () => void {
    // The mark comes before Node is started: without it, what stands before our shell hangs.
    const tooLong = (limitMs: number) => fail(new HumanError(`The shell of the account started nothing within ${limitMs / 1_000} s.`, { code: 'unreachable' }));
    if (this.privilege !== 'none') {
      const { waits, name } = this.options;
      return waits.begin(`sudo on ${name} (it may ask a phone, a token or a directory service)`, () =>
        fail(new PrivilegeRefused('sudo did not decide in time')),
      );
    }
    const timer = setTimeout(tooLong, startTimeoutMs, startTimeoutMs);
    return () => clearTimeout(timer);
  }

  private readErrors(chunk: Buffer, fail: (error: Error) => void): void {
    if (this.ready) {
      this.errors.write(chunk);
      return;
    }
    clearTimeout(this.question);
    const lines = (this.unfinished + chunk.toString('utf8')).split('\n');
    // A line of a person's length; what is longer is shown in pieces.
    this.unfinished = lines.pop()!.slice(-maximumQuestion);
    for (const line of lines) this.say(line);
    if (this.privilege !== 'password' || this.unfinished.trim() === '') return;
    if (this.unfinished.endsWith(sudoPrompt)) {
      this.say(this.unfinished.slice(0, -sudoPrompt.length));
      // sudo says something about a password that is wrong, in whatever words; what it asks in silence is another question.
      const isNext = this.sudoAttempts > 0 && this.said.length === this.saidWhenAsked;
      this.ask(isNext ? { prompt: nextFactor } : { attempt: ++this.sudoAttempts }, fail);
    } else this.question = setTimeout(() => this.ask({ prompt: boundedLine(this.unfinished.trim(), maximumQuestion) }, fail), questionMs);
  }

  private say(line: string): void {
    const text = boundedLine(line.trim(), 500);
    if (text === '' || this.said.length >= keptLines) return;
    this.said.push(text);
    this.options.inform(`${this.options.name} says: ${text}`);
  }

  private ask(question: Parameters<AskSudo>[0], fail: (error: Error) => void): void {
    this.unfinished = '';
    this.saidWhenAsked = this.said.length;
    this.options.askSudo(question).then(
      (answer) => {
        if (answer === undefined) fail(new PrivilegeRefused('no password for sudo was given'));
        // Never into a relay that runs already.
        else if (!this.ready) this.exec.channel.write(`${answer}\n`);
      },
      (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private explainFailure(code: number | undefined): Error {
    this.say(this.unfinished);
    const said = boundedLine(this.said.join(' '), 400);
    if (this.privilege !== 'none') return new PrivilegeRefused(said === '' ? `sudo ended with code ${code ?? 'unknown'}` : said);
    if (code === undefined) return new HumanError('The connection to the host was lost while the agent was started.', { code: 'unreachable' });
    return new HumanError(`The agent could not be started on the host (code ${code}${said === '' ? '' : `: ${said}`}).`, { code: 'unsupported' });
  }
}

/** `user`: as the shell below sudo says it; nothing where it could not start `id`. */
function whatSudoGave(user: string): string {
  return user === '' ? 'the shell that it starts may start no other program (NOEXEC in sudoers?)' : `it gave user ${boundedLine(user, 20)} instead of root`;
}

function endChannel(channel: ClientChannel): void {
  // The end of its input ends the relay; a relay that hangs loses its channel.
  channel.end();
  const timer = setTimeout(() => channel.close(), 2_000);
  channel.once('close', () => clearTimeout(timer));
}
