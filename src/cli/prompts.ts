import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Prompts } from '../transport/transport.js';
import { printError } from './output.js';

/** Asks on the terminal; where there is none (a pipe, CI) everything is refused, so that nothing ever waits for nobody. */
export function terminalPrompts(options: { acceptNewHostKeys: boolean }): Prompts {
  const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
  return {
    confirmHostKey: async (question) => {
      if (options.acceptNewHostKeys) return true;
      if (!isTerminal) return false;
      printError(`\nThe key of ${question.name} (${question.address}, port ${question.port}) is not known.\n${question.keyType} ${question.fingerprint}\n`);
      if (question.note !== undefined) printError(`${question.note}\n`);
      return (await ask('Is this the right key? It will be remembered. (yes/no) ')) === 'yes';
    },
    secret: async (question) => {
      if (!isTerminal) return undefined;
      const answer = await ask(`${question.title}: ${question.prompt} `, !question.echo);
      return answer === '' ? undefined : answer;
    },
    confirm: async (question) => {
      if (!isTerminal) return false;
      printError(`\n${question.title}\n${question.detail}\n`);
      return (await ask(`${question.accept}? (yes/no) `)) === 'yes';
    },
  };
}

async function ask(text: string, hidden = false): Promise<string> {
  // A hidden answer is read with an output that writes nothing: the terminal echoes through readline only.
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  if (hidden) printError(text);
  const reader = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return (await reader.question(hidden ? '' : text)).trim();
  } finally {
    reader.close();
    if (hidden) printError('\n');
  }
}
