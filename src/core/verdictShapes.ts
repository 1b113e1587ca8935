import { type RunVerdict, verdictLooks } from './verdict.js';

/**
 * The icons of the verdicts as SVG paths of 16 × 16, for pages that have no codicons: a webview, a report. Named as in `verdictLooks`; told apart by
 * their outlines, without colour.
 */
const shapes: Readonly<Record<string, string>> = {
  pass: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-1.2 10.2L3.9 8.3l1-1 1.9 1.9 4.3-4.3 1 1-5.3 5.3Z',
  warning: 'M8 1 .8 14.5h14.4L8 1Zm-.8 4.8h1.6v4.4H7.2V5.8Zm0 5.6h1.6V13H7.2v-1.6Z',
  error: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.2 9.1-1.1 1.1L8 9.1l-2.1 2.1-1.1-1.1L6.9 8 4.8 5.9l1.1-1.1L8 6.9l2.1-2.1 1.1 1.1L9.1 8l2.1 2.1Z',
  'circle-slash':
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6c1.2 0 2.4.4 3.3 1.1l-7.6 7.6A5.4 5.4 0 0 1 8 2.6Zm0 10.8c-1.2 0-2.4-.4-3.3-1.1l7.6-7.6A5.4 5.4 0 0 1 8 13.4Z',
  'debug-stop': 'M2.5 2.5h11v11h-11v-11Z',
  question:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm.8 11.3H7.2v-1.6h1.6v1.6Zm1.5-5.2c-.6.6-1.5 1-1.5 2.3H7.2c0-2.4 2.2-2.5 2.2-3.8 0-.8-.6-1.3-1.4-1.3-.8 0-1.4.5-1.5 1.5H5c.1-1.9 1.4-2.9 3-2.9 1.7 0 3 1 3 2.6 0 .7-.3 1.2-.7 1.6Z',
  tools: 'M13.9 4.2 11.6 6.5 9.5 4.4l2.3-2.3a4 4 0 0 0-5 5L1.6 12.3a1.5 1.5 0 0 0 2.1 2.1l5.2-5.2a4 4 0 0 0 5-5Z',
};

/** The outline of a verdict's icon, as the `d` of an SVG path of 16 × 16. */
export function verdictShape(verdict: RunVerdict): string {
  return shapes[verdictLooks[verdict].icon] ?? shapes['question']!;
}
