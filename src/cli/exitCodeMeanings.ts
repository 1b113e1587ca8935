import type { ExitCode } from '../core/errors.js';

/** What each exit code says; the README and the manual page have them from here. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'done, and all thresholds hold',
  64: 'bad usage or a mistake in the profile; nothing was started',
  69: 'the host cannot be reached, is busy, or lacks what a run needs',
  70: 'a defect of C10M, or the run failed',
  75: 'the host could not be restored completely, each key is named; or nobody saw the end of the run',
  77: 'authentication or the host key was refused',
  98: 'the target was not reached; the wall is named on stderr',
  99: 'a threshold failed, or a metric is worse than in the baseline',
  130: 'interrupted; the host was restored first',
};
