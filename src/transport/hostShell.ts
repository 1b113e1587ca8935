/** What was said by a program on a host. */
export interface ShellResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A file to be brought to a host. */
export interface Upload {
  /** On the laptop. */
  from: string;
  /** On the host, absolute. */
  to: string;
  bytes: number;
}

/** A POSIX shell and a way to bring files, on a host. All calls reject with a HumanError when the link is lost or the signal is given. */
export interface HostShell {
  /** Runs a script by `sh`, which reads it from its standard input, so that no login shell touches it. */
  run(script: string): Promise<ShellResult>;
  /** Writes files, without verifying them; `onProgress` gets bytes of all. Directories must exist. */
  upload(files: readonly Upload[], onProgress: (bytes: number) => void): Promise<void>;
}
