import { createReadStream } from 'node:fs';
import { boundedLine } from '../../core/foreignText.js';
import { pipeline } from 'node:stream/promises';
import type { ClientChannel, SFTPWrapper } from 'ssh2';
import { HumanError, messageOf } from '../../core/errors.js';
import { patience, sleep } from '../../files/sleep.js';
import { cancelledError, throwIfCancelled } from '../../core/cancellation.js';
import type { HostShell, ShellResult, Upload } from '../hostShell.js';
import { loginShellCommand, shellQuoted } from '../quote.js';
import type { Link } from './link.js';
import { provenCommand } from './proof.js';
import { startUpFileError } from './startUpFiles.js';

/** A script that takes longer is hanging: the slowest, which unpacks Node on a slow disk, takes some ten seconds. */
const scriptTimeoutMs = 120_000;
/** A shell says that it runs within a second; start-up files of some seconds are known. */
const proofTimeoutMs = 15_000;
/** A server that answers at all opens SFTP within a round trip; a chatty .bashrc makes it hang instead. */
const sftpTimeoutMs = 15_000;
/** What one script may print: bounds our memory against a host that prints without end. */
const maximumOutputBytes = 4 * 1024 * 1024;

/**
 * SFTP failed, and its session, which ssh2 leaves open then, is the only one that the host allows (MaxSessions 1). Over a
 * new connection the files can go through a shell.
 */
export class SftpHoldsSession extends Error {}

/** Runs scripts and brings files over one SSH link, one channel at a time, since sshd may allow only one (MaxSessions). */
export class SshShell implements HostShell {
  constructor(
    private readonly link: Link,
    private readonly signal: AbortSignal,
    private readonly log: (line: string) => void,
    private readonly withoutSftp = false,
  ) {}

  async run(script: string): Promise<ShellResult> {
    const { begin, mark } = provenCommand('exec sh');
    const exec = await openChannel(this.link, loginShellCommand(begin), this.signal);
    const result = this.collect(exec, mark);
    void result.proven.then((isProven) => isProven && exec.channel.end(script));
    return result.whole;
  }

  async upload(files: readonly Upload[], onProgress: (bytes: number) => void): Promise<void> {
    if (this.withoutSftp) {
      await this.uploadAllByShell(files, onProgress);
      return;
    }
    let done = 0;
    try {
      await this.withSftp(async (sftp) => {
        for (const file of files) {
          const before = done;
          await this.race<undefined>((resolve, reject) => {
            // 64 requests in flight: one at a time would bring a far host 32 KiB a round trip.
            const options = { concurrency: 64, step: (total: number) => onProgress(before + total) };
            sftp.fastPut(file.from, file.to, options, (error?: Error | null) => (error ? reject(error) : resolve(undefined)));
          }, sftp);
          done += file.bytes;
        }
      });
    } catch (error) {
      throwIfCancelled(this.signal);
      if (error instanceof HumanError) throw error;
      this.log(`SFTP does not work on this host (${messageOf(error)}); the files go through a shell instead`);
      try {
        await this.uploadAllByShell(files, onProgress);
      } catch (shellError) {
        throw shellError instanceof NoSession ? new SftpHoldsSession() : shellError;
      }
    }
  }

  private async uploadAllByShell(files: readonly Upload[], onProgress: (bytes: number) => void): Promise<void> {
    let done = 0;
    for (const file of files) {
      const before = done;
      await this.uploadByShell(file, (bytes) => onProgress(before + bytes));
      done += file.bytes;
    }
  }

  private async uploadByShell(file: Upload, onProgress: (bytes: number) => void): Promise<void> {
    const { begin, mark } = provenCommand(`exec cat > ${shellQuoted(file.to)}`);
    const exec = await openChannel(this.link, loginShellCommand(begin), this.signal);
    const { proven, whole } = this.collect(exec, mark);
    if (await proven) {
      const source = createReadStream(file.from);
      let sent = 0;
      source.on('data', (chunk) => onProgress((sent += chunk.length)));
      await Promise.race([pipeline(source, exec.channel), whole.catch(() => undefined)]).catch(() => undefined);
      source.destroy();
    }
    const { code, stderr } = await whole;
    if (code !== 0) {
      throw new HumanError(`The file ${file.to} could not be written on the host: ${boundedLine(stderr.trim(), 300) || `code ${code}`}.`, {
        code: 'unsupported',
        remedy: 'Check the free space and the rights of that directory.',
      });
    }
  }

  private async withSftp(use: (sftp: SFTPWrapper) => Promise<void>): Promise<void> {
    const sftp = await this.race<SFTPWrapper>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${sftpTimeoutMs / 1_000} s`)), sftpTimeoutMs);
      this.link.client.sftp((error, opened) => {
        clearTimeout(timer);
        if (error === undefined) resolve(opened);
        else reject(error);
      });
    });
    // After a failure the session may still say so by an event, which nobody waits for any more.
    sftp.on('error', () => undefined);
    // Each transfer listens for its end.
    sftp.setMaxListeners(0);
    try {
      await use(sftp);
    } finally {
      const closed = new Promise((resolve) => sftp.once('close', resolve));
      sftp.end();
      // The next channel may only be opened when this one is gone.
      await Promise.race([closed, this.link.closed, patience(2_000)]);
    }
  }

  /** ssh2's transfers never call back when the link dies: the end of the link, of the session and of the user's patience are heard too. */
  private race<T>(start: (resolve: (value: T) => void, reject: (error: Error) => void) => void, sftp?: SFTPWrapper): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(cancelledError());
      this.signal.addEventListener('abort', onAbort, { once: true });
      const settled = <V>(act: (value: V) => void) => {
        return (value: V) => {
          this.signal.removeEventListener('abort', onAbort);
          act(value);
        };
      };
      void this.link.closed.then((reason) => settled(reject)(new HumanError(reason, { code: 'unreachable' })));
      sftp?.once('close', () => settled(reject)(new Error('the session was closed')));
      throwIfCancelled(this.signal);
      start(settled(resolve), settled(reject));
    });
  }

  /**
   * What a program prints, and whether it printed its mark: that it reads what is sent is not to be taken for granted, since a start-up file may
   * have put another program in its place. Without the mark nothing is sent.
   */
  private collect(exec: ExecChannel, mark: string): { proven: Promise<boolean>; whole: Promise<ShellResult> } {
    let prove: (isProven: boolean) => void = () => undefined;
    const proven = new Promise<boolean>((resolve) => (prove = resolve));
    const whole = this.collectWhole(exec, mark, prove);
    whole.then(
      () => prove(false),
      () => prove(false),
    );
    return { proven, whole };
  }

  private collectWhole(exec: ExecChannel, mark: string, prove: (isProven: boolean) => void): Promise<ShellResult> {
    const { channel } = exec;
    let beginning = '';
    return new Promise((resolve, reject) => {
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      let bytes = 0;
      const stop = (error: HumanError) => {
        channel.close();
        finish(() => reject(error));
      };
      const onAbort = () => stop(cancelledError());
      const unprovenTimer = setTimeout(() => void startUpFileError(this.link, proofTimeoutMs).then(stop), proofTimeoutMs);
      channel.on('data', function look(chunk: Buffer) {
        // The mark is the first thing that is printed but for what start-up files say.
        beginning = (beginning + chunk.toString('latin1')).slice(-65_536);
        if (!beginning.includes(`${mark}\n`) && !beginning.includes(`${mark}\r\n`)) return;
        channel.off('data', look);
        clearTimeout(unprovenTimer);
        prove(true);
      });
      const timer = setTimeout(
        () => stop(new HumanError(`The host did not finish a step within ${scriptTimeoutMs / 1_000} s.`, { code: 'unreachable' })),
        scriptTimeoutMs,
      );
      const finish = (act: () => void) => {
        clearTimeout(timer);
        clearTimeout(unprovenTimer);
        this.signal.removeEventListener('abort', onAbort);
        act();
      };
      this.signal.addEventListener('abort', onAbort, { once: true });
      const keep = (list: Buffer[]) => (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= maximumOutputBytes) list.push(chunk);
      };
      channel.on('data', keep(stdout));
      channel.stderr.on('data', keep(stderr));
      channel.on('error', () => undefined);
      channel.once('close', () => {
        finish(() => {
          const code = exec.exitCode;
          if (code === undefined) reject(new HumanError('The connection to the host was lost.', { code: 'unreachable' }));
          else resolve({ code, stdout: Buffer.concat(stdout).toString('utf8'), stderr: Buffer.concat(stderr).toString('utf8') });
        });
      });
    });
  }
}

/** A program that runs on the host. */
export interface ExecChannel {
  channel: ClientChannel;
  /** 255 for one that a signal ended; undefined while it runs, and when the link was lost. */
  exitCode: number | undefined;
}

class NoSession extends HumanError {}

/** Opens an exec channel. A server that allows one session at a time may need a moment to notice that the last one is gone. */
export async function openChannel(link: Link, command: string, signal: AbortSignal): Promise<ExecChannel> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(signal);
    try {
      return await new Promise<ExecChannel>((resolve, reject) => {
        void link.closed.then((reason) => reject(new HumanError(reason, { code: 'unreachable' })));
        try {
          link.client.exec(command, (error, channel) => {
            if (error !== undefined) {
              reject(error);
              return;
            }
            const exec: ExecChannel = { channel, exitCode: undefined };
            // Listened to at once: a program that ends immediately says so in the same packet that opens the channel.
            channel.on('exit', (code: number | null) => (exec.exitCode = code ?? 255));
            resolve(exec);
          });
        } catch (error) {
          // Thrown, not reported, when the link is gone already.
          reject(new HumanError(`The connection to the host was lost (${messageOf(error)}).`, { code: 'unreachable' }));
        }
      });
    } catch (error) {
      if (error instanceof HumanError) throw error;
      if (attempt >= 8) {
        throw new NoSession(`The host opens no session (${messageOf(error)}).`, {
          code: 'accessRefused',
          remedy: 'Its SSH server may forbid commands for this account, or allow no more sessions (MaxSessions).',
        });
      }
      await sleep(50 * attempt);
    }
  }
}
