import { plainText } from '../core/foreignText.js';

/** Why our output cannot be written any more. */
interface OutputError {
  code?: string;
  message: string;
}

let onClosed: (() => void) | undefined;
let isClosed = false;
let isTold = false;

/**
 * Writes to standard output may fail at any time: the reader goes (`| head -1`), the disk of a file is full. Neither is a defect of ours, and a
 * run must not be left behind by it. Call it once, before anything is written.
 */
export function guardOutput(): void {
  process.stdout.on('error', fail);
  // Nobody is left to read it.
  process.stderr.on('error', () => undefined);
}

/** What to do when nobody reads our output any more; called at once when that is so already. */
export function onOutputClosed(stop: () => void): void {
  onClosed = stop;
  if (isClosed) stop();
}

/** Writes to standard output. Controls in it are shown, not obeyed. */
export function print(text: string): void {
  drawScreen(plainText(text));
}

/** Writes to standard error, in the same way. */
export function printError(text: string): void {
  process.stderr.write(plainText(text));
}

/** Writes to standard output what moves the cursor. What others said must have been made harmless before it was put in. */
export function drawScreen(text: string): void {
  if (isClosed) return;
  try {
    process.stdout.write(text);
  } catch (error) {
    // Files are written at once, and throw.
    fail(error as OutputError);
  }
}

function fail(error: OutputError): void {
  if (error.code === 'EPIPE') {
    if (isClosed) return;
    isClosed = true;
    onClosed?.();
  } else if (!isTold) {
    isTold = true;
    printError(`c10m: The output cannot be written: ${error.message}. The run goes on and is saved.\n`);
  }
}
