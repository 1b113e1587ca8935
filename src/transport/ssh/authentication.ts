import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import type { SecretQuestion } from '../contract.js';
import type { Identity } from './identities.js';
import type { Secrets } from './secrets.js';
import type { SshSettings } from './settings.js';

/** Of what a server asks, so many characters are shown: more than any dialog has room for. */
const shownPrompt = 2_000;

/** One attempt, in the shape in which ssh2 takes it. */
export type Attempt =
  | { type: 'none'; username: string }
  | { type: 'agent'; username: string; agent: Identity['agent'] }
  | { type: 'password'; username: string; password: string }
  | { type: 'keyboard-interactive'; username: string; prompt: InteractivePrompt };

export type InteractivePrompt = (
  name: string,
  instructions: string,
  language: string,
  prompts: readonly { prompt: string; echo?: boolean }[],
  finish: (answers: string[]) => void,
) => void;

/**
 * Decides what to try next to log in: first `none`, which shows what the server wants, then keys, keyboard-interactive and
 * passwords in the configured order, each only while the server still takes its kind. Knows nothing of ssh2 but the shapes.
 */
export class Authenticator {
  /** What was tried, in words, for the error message. */
  readonly tried: string[] = [];
  /** Of the last answer. Undefined before the first. */
  methodsLeft: readonly string[] | undefined;
  /** A person gave up: the attempt ends, and says so. */
  cancelled = false;
  /** Called when a person gave up in the middle of an attempt: nothing more is sent. */
  onGivenUp: () => void = () => undefined;
  private identityAt = 0;
  private interactiveAttempts = 0;
  private passwordAttempts = 0;
  /** Answers of the attempt under way, remembered when it proves right. */
  private unproven = new Map<string, string>();
  private lastMethod: string | undefined;
  private askedNothing = true;

  constructor(
    private readonly settings: SshSettings,
    private readonly identities: readonly Identity[],
    private readonly secrets: Secrets,
    private readonly signal: AbortSignal,
    /** What the host said so far; goes with each question. */
    private readonly said: () => string | undefined,
  ) {}

  /** The next attempt, or false when nothing is left to try. */
  async next(): Promise<Attempt | false> {
    const username = this.settings.user;
    // A method that the server no longer takes was accepted, as one part of what it wants; any other was refused.
    if (this.lastMethod !== undefined && this.methodsLeft?.includes(this.lastMethod) === false) this.succeeded();
    else this.dropUnproven();
    this.lastMethod = undefined;
    if (this.methodsLeft === undefined) return { type: 'none', username };
    for (const method of this.settings.preferredAuthentications) {
      if (this.cancelled) return false;
      if (!this.methodsLeft.includes(method)) continue;
      const attempt = method === 'publickey' ? this.nextKey() : method === 'password' ? await this.nextPassword() : this.nextInteractive();
      if (attempt !== undefined) {
        this.lastMethod = method;
        return attempt;
      }
    }
    return false;
  }

  /** The server is satisfied: what was typed was right. */
  succeeded(): void {
    for (const [key, secret] of this.unproven) this.secrets.remember(key, secret);
    this.unproven.clear();
  }

  /** Why it did not work, with the methods that were tried and those the server would take. */
  failure(problems: readonly string[]): HumanError {
    const { user, hostName, port } = this.settings;
    const where = `${user}@${hostName}${port === 22 ? '' : `:${port}`}`;
    const tried = this.tried.length === 0 ? 'nothing could be tried' : `tried: ${this.tried.join('; ')}`;
    const wanted = this.methodsLeft === undefined || this.methodsLeft.length === 0 ? '' : `; the host takes: ${this.methodsLeft.join(', ')}`;
    const notes = problems.length === 0 ? '' : ` Also, ${problems.join('; ')}.`;
    const lead = this.cancelled ? `The login to ${where} was given up` : `${where} refused the login`;
    const said = this.said();
    return new HumanError(`${lead} (${tried}${wanted}).${notes}${said === undefined ? '' : ` It says: ${said}`}`, {
      code: 'accessRefused',
      remedy: this.cancelled
        ? 'Connect again to be asked again; keys of an SSH agent are used without a question.'
        : 'Check the user name and the key in ~/.ssh/config, or load the key into your SSH agent; `ssh` with the same name must be able to log in.',
    });
  }

  private nextKey(): Attempt | undefined {
    const identity = this.identities[this.identityAt++];
    if (identity === undefined) return undefined;
    this.tried.push(identity.description);
    return { type: 'agent', username: this.settings.user, agent: identity.agent };
  }

  private async nextPassword(): Promise<Attempt | undefined> {
    const remembered = this.secrets.recall(this.memoryKey('password'));
    if (remembered !== undefined && this.askedNothing) {
      this.askedNothing = false;
      return this.passwordAttempt(remembered);
    }
    if (this.settings.batchMode || this.passwordAttempts >= this.settings.numberOfPasswordPrompts) return undefined;
    this.passwordAttempts++;
    const password = await this.ask({
      title: this.passwordAttempts === 1 ? `Log in to ${this.settings.name}` : 'The password was wrong',
      prompt: `Password of ${this.settings.user}@${this.settings.hostName}`,
      kind: 'password',
      echo: false,
    });
    if (password === undefined) {
      this.cancelled = true;
      this.tried.push('password (not given)');
      return undefined;
    }
    return this.passwordAttempt(password);
  }

  private passwordAttempt(password: string): Attempt {
    this.tried.push('password');
    this.unproven.set(this.memoryKey('password'), password);
    return { type: 'password', username: this.settings.user, password };
  }

  private nextInteractive(): Attempt | undefined {
    if (this.settings.batchMode || this.interactiveAttempts >= this.settings.numberOfPasswordPrompts) return undefined;
    this.interactiveAttempts++;
    this.tried.push('keyboard-interactive');
    return { type: 'keyboard-interactive', username: this.settings.user, prompt: (...values) => void this.answer(...values) };
  }

  private async answer(...[name, instructions, , prompts, finish]: Parameters<InteractivePrompt>): Promise<void> {
    const answers: string[] = [];
    for (const { prompt, echo } of prompts) {
      const memoryKey = this.memoryKey(`answer ${prompt}`);
      // One-time codes must be asked for anew each time; a password prompt that was answered before need not be.
      const isPassword = echo !== true && /passwor[dt]|kennwort|mot de passe|contraseña/i.test(prompt);
      const remembered = isPassword && this.interactiveAttempts === 1 ? this.secrets.recall(memoryKey) : undefined;
      const answer =
        remembered ??
        (await this.ask({
          title: boundedLine([`Log in to ${this.settings.name}`, name.trim(), instructions.trim()].filter((part) => part !== '').join(': '), shownPrompt),
          prompt: prompt.trim() === '' ? 'Answer' : boundedLine(prompt.trim(), shownPrompt),
          kind: isPassword ? 'password' : 'answer',
          echo: echo === true,
        }));
      if (answer === undefined) {
        this.cancelled = true;
        this.onGivenUp();
        return;
      }
      if (isPassword) this.unproven.set(memoryKey, answer);
      answers.push(answer);
    }
    finish(answers);
  }

  private ask(question: SecretQuestion): Promise<string | undefined> {
    return this.secrets.ask({ ...question, said: this.said() }, this.signal);
  }

  private dropUnproven(): void {
    for (const key of this.unproven.keys()) this.secrets.forget(key);
    this.unproven.clear();
  }

  private memoryKey(what: string): string {
    return `${this.settings.user}@${this.settings.hostName}:${this.settings.port} ${what}`;
  }
}
