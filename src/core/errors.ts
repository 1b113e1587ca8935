import type { PlainError } from '../protocol/commands.js';

/**
 * Exit codes of `c10m`. They are an API: scripts and CI depend on them (see README, "Exit codes").
 * 64, 69, 75 and 77 follow sysexits(3); 99 follows k6's code for a failed threshold.
 */
export const exitCodes = {
  done: 0,
  usage: 64,
  hostUnreachable: 69,
  internal: 70,
  notRestored: 75,
  accessRefused: 77,
  targetNotReached: 98,
  thresholdFailed: 99,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Why something failed, as a stable word that code may branch on. */
export type ErrorCode = PlainError['code'];

const exitCodeOf: Record<ErrorCode, ExitCode> = {
  usage: exitCodes.usage,
  unreachable: exitCodes.hostUnreachable,
  accessRefused: exitCodes.accessRefused,
  notRestored: exitCodes.notRestored,
  busy: exitCodes.hostUnreachable,
  unsupported: exitCodes.hostUnreachable,
  cancelled: exitCodes.interrupted,
  failed: exitCodes.internal,
};

const humanErrorBrand = Symbol.for('c10m.HumanError');

/**
 * An error that a person is meant to read. `message` is one sentence that says what is wrong and what was left unchanged;
 * `remedy` says what to do. Everything that is not a HumanError is a defect of ours and is logged with its stack.
 */
export class HumanError extends Error {
  /** `instanceof` holds for errors of a bundle that is loaded later, too: each bundle has its own copy of this class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== HumanError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && humanErrorBrand in value;
  }

  readonly [humanErrorBrand] = true;
  override readonly name = 'HumanError';
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(message: string, options: { code?: ErrorCode; remedy?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code ?? 'failed';
    this.remedy = options.remedy;
  }

  get exitCode(): ExitCode {
    return exitCodeOf[this.code];
  }

  /** The message and the remedy as one text for terminals and notifications. */
  get text(): string {
    return this.remedy === undefined ? this.message : `${this.message} ${this.remedy}`;
  }

  toPlain(): PlainError {
    return { code: this.code, message: this.message, ...(this.remedy === undefined ? {} : { remedy: this.remedy }) };
  }

  static fromPlain(error: PlainError): HumanError {
    return new HumanError(error.message, { code: error.code, remedy: error.remedy });
  }
}

/** What any thrown value says, without its stack: for the middle of a sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Any thrown value as a PlainError; a value that is not a HumanError keeps only its message, never its stack. */
export function toPlainError(error: unknown): PlainError {
  if (error instanceof HumanError) return error.toPlain();
  return { code: 'failed', message: messageOf(error) };
}
