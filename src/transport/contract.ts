import type { ControllerCommand } from '../protocol/commands.js';
import type { RunEvent } from '../protocol/events.js';
import type { LaptopEnvironment } from './environment.js';

/** What a person must know to decide whether a host key is the right one. */
export interface HostKeyQuestion {
  /** The name that was asked for, as in ssh_config. */
  name: string;
  /** The name or address and the port that known_hosts will hold. */
  address: string;
  port: number;
  /** Such as `ssh-ed25519`. */
  keyType: string;
  /** `SHA256:…`, as `ssh-keygen -lf` prints it. */
  fingerprint: string;
  /** Set when other keys of this host are on file, of other types. */
  note?: string | undefined;
}

/** What a person is asked for. `password`: of the account; `passphrase`: of a key file; `sudo`: for sudo; `answer`: whatever a server asked. */
export interface SecretQuestion {
  title: string;
  prompt: string;
  kind: 'password' | 'passphrase' | 'sudo' | 'answer';
  /** True when what is typed may be shown. */
  echo: boolean;
  /** What the host said since the login began, such as its banner, on one line; shown already by `inform`. */
  said?: string | undefined;
}

export interface ConfirmQuestion {
  title: string;
  detail: string;
  /** The text of the button, or the meaning of `yes`. */
  accept: string;
}

/**
 * How the transport asks a person. Each resolves to a refusal (`false`, `undefined`) where nobody can be asked, and when the signal takes the
 * question back. An answer may be empty: some servers only want Enter.
 */
export interface Prompts {
  confirmHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean>;
  secret(question: SecretQuestion, signal: AbortSignal): Promise<string | undefined>;
  confirm(question: ConfirmQuestion, signal: AbortSignal): Promise<boolean>;
}

export interface ConnectOptions {
  /** `dist/host`: agent.cjs, worker.cjs and koffi. */
  payloadDirectory: string;
  prompts: Prompts;
  /** Cancels whatever is under way; a HumanError `cancelled` results. */
  signal: AbortSignal;
  /** One line for the log. Never holds a secret. */
  log: (line: string) => void;
  /** What is being done now, for a person who waits. */
  progress: (text: string) => void;
  /** What the host itself says to whoever logs in, such as its banner: shown to the person at once. One harmless line each. */
  inform: (text: string) => void;
  /** `auto` (the default): uses sudo over SSH when it can be had and goes on without; `never`; `required`: fails without. */
  sudo?: 'auto' | 'never' | 'required' | undefined;
  /** The machine we run on; tests inject another. */
  environment?: LaptopEnvironment | undefined;
  /** A private key file that is tried before those of ssh_config; `~` is the home directory. */
  identityFile?: string | undefined;
  /** `ask` (the default) offers to bring Node to a host that has none, `always` does it, `never` refuses. */
  provisionNode?: 'ask' | 'always' | 'never' | undefined;
  /** The npm registry from which Node is taken for hosts that have none. */
  registry?: string | undefined;
}

/** A host that was reached and equipped. */
export interface HostConnection {
  readonly name: string;
  /**
   * Starts a relay on the host. May be called again after a relay or the link was lost: the link is then made anew, with the
   * secrets that were already given, and a person is asked only if those no longer do. The signal gives up this attempt only.
   */
  openRelay(signal?: AbortSignal): Promise<RelayChannel>;
  /** Ends the link while nothing uses it; what was given and found out is kept for the next `openRelay`. */
  rest(): void;
  dispose(): Promise<void>;
}

/** The conversation with a relay (src/protocol/commands.ts). */
export interface RelayChannel {
  /** True once it was closed because more came than any run has to say: the same would come again, so there is no coming back. */
  readonly isFlooded: boolean;
  /** The run that is asked for next has gone on for so many seconds: its events may come at once. */
  expectReplay(seconds: number): void;
  /** For commands without a reply. Does nothing once the channel is closed. */
  send(command: ControllerCommand): void;
  /** Rejects with a HumanError: the relay's error, `unreachable` when the channel closes, `cancelled` by the signal. */
  request<T>(build: (id: number) => ControllerCommand, signal?: AbortSignal): Promise<T>;
  onEvent(listener: (event: RunEvent) => void): () => void;
  /** Called once, with the reason in one sentence; at once when the channel is closed already. */
  onClose(listener: (reason: string) => void): () => void;
  /** Lines that are neither an event nor a reply: a banner of the host, or the relay's stderr. */
  onNoise(listener: (line: string) => void): () => void;
  close(): void;
}
