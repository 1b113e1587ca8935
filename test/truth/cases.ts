import { countCases } from './countCases.js';
import { liveCases } from './liveCases.js';
import { memoryCases } from './memoryCases.js';
import type { TruthCase } from './checks.js';

/** All cases; a file for each kind of figure. */
export const truthCases: readonly TruthCase[] = [...countCases, ...liveCases, ...memoryCases];
