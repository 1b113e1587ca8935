/** The processes of a server of the user, whoever started them. */
export interface ServerProcesses {
  /** Those that live now. */
  pids(): number[];
  /** In order, as far as they are ours. */
  end(): Promise<void>;
  /** At once, as far as they are ours. */
  kill(): Promise<void>;
}
