import { boundedLine } from '../../core/foreignText.js';
import type { Prompts, SecretQuestion } from '../contract.js';
import type { PersonWaits } from './personWaits.js';

/** Of a prompt, so many characters fit the line that shows what is waited for. */
const shownPrompt = 120;

/**
 * Asks a person for secrets and remembers those that were right, for as long as the connection object lives, so that a lost
 * link can be made anew without asking. They are kept in memory only.
 */
export class Secrets {
  private readonly known = new Map<string, string>();

  constructor(
    private readonly prompts: Prompts,
    private readonly waits: PersonWaits,
  ) {}

  recall(key: string): string | undefined {
    return this.known.get(key);
  }

  /** To be called when a secret proved right. */
  remember(key: string, secret: string): void {
    this.known.set(key, secret);
  }

  /** To be called when a remembered secret proved wrong. */
  forget(key: string): void {
    this.known.delete(key);
  }

  /** Undefined when nobody answers, or somebody refuses to; the signal takes the question back. */
  ask(question: SecretQuestion, signal: AbortSignal): Promise<string | undefined> {
    this.waits.ask(boundedLine(question.prompt, shownPrompt));
    return this.waits.whilePersonActs(() => this.prompts.secret(question, signal));
  }
}
