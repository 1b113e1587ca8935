import { HumanError, exitCodes } from './core/errors.js';
import { check } from './cli/check.js';
import { compareServers } from './cli/compareServers.js';
import { completionText } from './cli/completion.js';
import { helpText } from './cli/help.js';
import { host } from './cli/host.js';
import { manPage } from './cli/manPage.js';
import { run } from './cli/run.js';
import { runs } from './cli/runs.js';
import { version } from './core/version.js';
import { guardOutput, print, printError } from './cli/output.js';

const commands: Record<string, (args: string[]) => Promise<number>> = { run, check, 'compare-servers': compareServers, host, runs };

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const about = rest.find((word) => !word.startsWith('-'));
    if (about !== undefined && !Object.hasOwn(commands, about)) throw notACommand(about);
    print(helpText(about));
    return exitCodes.done;
  }
  if (name === '--version' || name === 'version') {
    print(`${version()}\n`);
    return exitCodes.done;
  }
  if (name === 'completion') {
    print(completionText(rest[0]));
    return exitCodes.done;
  }
  if (name === 'man') {
    print(manPage());
    return exitCodes.done;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw notACommand(name);
  if (rest.includes('--help') || rest.includes('-h')) {
    print(helpText(name));
    return exitCodes.done;
  }
  return command(rest);
}

function notACommand(name: string): HumanError {
  return new HumanError(`"${name}" is not a command of c10m.`, { code: 'usage', remedy: `Commands: ${Object.keys(commands).join(', ')}. Help: c10m help` });
}

guardOutput();
main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    if (error instanceof HumanError) {
      printError(`c10m: ${error.message}\n`);
      if (error.remedy !== undefined) printError(`      ${error.remedy}\n`);
      process.exitCode = error.exitCode;
      return;
    }
    // A defect of ours: the stack helps whoever mends it.
    printError(`c10m: internal error\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = exitCodes.internal;
  },
);
