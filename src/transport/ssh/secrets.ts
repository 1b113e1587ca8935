import type { Prompts, SecretQuestion } from '../contract.js';

/**
 * Asks a person for secrets and remembers those that were right, for as long as the connection object lives, so that a lost
 * link can be made anew without asking. They are kept in memory only.
 */
export class Secrets {
  private readonly known = new Map<string, string>();

  constructor(private readonly prompts: Prompts) {}

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

  /** Undefined when nobody answers, or somebody refuses to. */
  ask(question: SecretQuestion): Promise<string | undefined> {
    return this.prompts.secret(question);
  }
}
