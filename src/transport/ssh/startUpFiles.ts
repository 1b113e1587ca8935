import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import type { Link } from './link.js';

/** What shells read before they run a command over SSH, below the home directory. */
const files = ['.bashrc', '.bash_profile', '.profile', '.zshenv', '.zshrc', '.cshrc', '.tcshrc', '.config/fish/config.fish', '.ssh/rc'];
/** Such lines replace the shell, or wait for somebody. */
const suspicious = /(^|[;&|]|\bthen)\s*(exec|read|select|sleep|tmux|screen|newgrp|su|sudo)\b(?!\s*\d?[<>])/;
/** Looking for the file must not take longer than the wait for the shell did. */
const lookMs = 3_000;
const maximumBytes = 64 * 1024;

/** Why a shell did not say that it runs, with the line of the start-up file that is to blame where one can be found. */
export async function startUpFileError(link: Link, waitedMs: number): Promise<HumanError> {
  const found = await Promise.race([findLine(link), new Promise<undefined>((resolve) => setTimeout(resolve, lookMs, undefined))]).catch(() => undefined);
  const which = found === undefined ? 'A start-up file of the account, such as ~/.bashrc or ~/.zshenv,' : `The start-up file ${found}`;
  return new HumanError(
    `The shell on the host did not run a command within ${waitedMs / 1_000} s. ${which} replaces the shell or waits. Nothing was sent to it.`,
    {
      code: 'unsupported',
      remedy: 'Let that file do so only in an interactive shell, such as after: case $- in *i*) ;; *) return;; esac',
    },
  );
}

function findLine(link: Link): Promise<string | undefined> {
  return new Promise((resolve) => {
    link.client.sftp((error, sftp) => {
      if (error !== undefined) {
        resolve(undefined);
        return;
      }
      sftp.on('error', () => undefined);
      const look = (index: number): void => {
        const name = files[index];
        if (name === undefined) {
          sftp.end();
          resolve(undefined);
          return;
        }
        sftp.open(name, 'r', (openError, handle) => {
          if (openError !== undefined) {
            look(index + 1);
            return;
          }
          sftp.read(handle, Buffer.alloc(maximumBytes), 0, maximumBytes, 0, (readError, bytes, buffer) => {
            sftp.close(handle, () => undefined);
            const lines = readError === undefined ? buffer.toString('utf8', 0, bytes).split('\n') : [];
            const at = lines.findIndex((line) => !line.trimStart().startsWith('#') && suspicious.test(line));
            if (at === -1) look(index + 1);
            else {
              sftp.end();
              resolve(`~/${name}, line ${at + 1} (${boundedLine(lines[at]!.trim(), 100)}),`);
            }
          });
        });
      };
      look(0);
    });
  });
}
