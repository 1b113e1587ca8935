/**
 * Reporter of node:test that writes one JSON line for each finished test, so that totals need no parsing of text.
 * Suites (`describe`) are not counted. A file that holds no test or crashes is reported by Node as a test named after the file, and each file that ran
 * to its end as one that completed: its tests may be defined in another.
 */
export default async function* totals(source) {
  for await (const event of source) {
    const { name, file, details, skip, todo } = event.data;
    const isFile = file !== undefined && (name === file || file.endsWith(`/${name}`));
    if (event.type === 'test:complete' && isFile) yield `${JSON.stringify({ outcome: 'ended', file })}\n`;
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    if (details.type === 'suite' && event.type === 'test:pass') continue;
    // A failed suite repeats the failures of its tests, except when its own hook failed.
    const cause = details.error?.failureType;
    if (event.type === 'test:fail' && !isFile && cause === 'subtestsFailed') continue;
    if (event.type === 'test:fail' && isFile && cause === 'subtestsFailed') continue;
    const outcome =
      event.type === 'test:fail' ? (todo ? 'skipped' : 'failed') : skip !== undefined || todo !== undefined ? 'skipped' : isFile ? 'empty' : 'passed';
    const reason = typeof skip === 'string' ? skip : typeof todo === 'string' ? todo : undefined;
    yield `${JSON.stringify({ outcome, name, file, reason, durationMs: details.duration_ms })}\n`;
  }
}
