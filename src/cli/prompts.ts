import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { plainText } from '../core/foreignText.js';
import type { Prompts } from '../transport/transport.js';
import { printError } from './output.js';

/** Asks on the terminal; where there is none (a pipe, CI) everything is refused, so that nothing ever waits for nobody. */
export function terminalPrompts(options: { acceptNewHostKeys: boolean }): Prompts {
  const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
  return {
    confirmHostKey: async (question, signal) => {
      if (options.acceptNewHostKeys) return true;
      if (!isTerminal) return false;
      printError(`\nThe key of ${question.name} (${question.address}, port ${question.port}) is not known.\n${question.keyType} ${question.fingerprint}\n`);
      if (question.note !== undefined) printError(`${question.note}\n`);
      return (await ask('Is this the right key? It will be remembered. (yes/no) ', signal))?.trim() === 'yes';
    },
    secret: async (question, signal) => {
      if (!isTerminal) return undefined;
      const answer = await ask(`${plainText(`${question.title}: ${question.prompt}`)} `, signal, !question.echo);
      // Some servers only want Enter; nobody has an empty password.
      return answer === '' && question.kind !== 'answer' ? undefined : answer;
    },
    confirm: async (question, signal) => {
      if (!isTerminal) return false;
      printError(`\n${question.title}\n${question.detail}\n`);
      return (await ask(`${question.accept}? (yes/no) `, signal))?.trim() === 'yes';
    },
  };
}

/** A signal to ourselves arrives within a turn or two. */
const interruptMs = 500;

/** What was typed; undefined for Ctrl-D, for Ctrl-C, which interrupts the command as ever, and when the signal takes the question back. */
async function ask(text: string, signal: AbortSignal, hidden = false): Promise<string | undefined> {
  // A hidden answer is read with an output that writes nothing: the terminal echoes through readline only.
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  if (hidden) printError(text);
  const reader = createInterface({ input: process.stdin, output, terminal: true });
  let isInterrupted = false;
  try {
    return await new Promise<string | undefined>((resolve) => {
      // While a line is read the terminal sends no signals: the key arrives here.
      reader.once('SIGINT', () => {
        isInterrupted = true;
        process.kill(process.pid, 'SIGINT');
        // The command takes the question back by its signal; one that does not listen gets no answer.
        setTimeout(resolve, interruptMs, undefined);
      });
      reader.once('close', () => {
        if (!isInterrupted) resolve(undefined);
      });
      reader.question(hidden ? '' : text, { signal }).then(resolve, () => resolve(undefined));
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
  } finally {
    reader.close();
    if (hidden) printError('\n');
  }
}
