import assert from 'node:assert/strict';
import { it } from 'node:test';
import { metrics } from '../../src/core/figures/metrics.js';
import { openMetricsText } from '../../src/core/figures/openMetrics.js';
import { sample } from './builders/samples.js';

const labels = { run: 'r"1', host: 'lab' };

it('writes each figure that the dashboard shows, with the same value', () => {
  const one = sample({ failed: { total: 3, byErrno: { EMFILE: 3 } } });
  const text = openMetricsText(one, labels);
  const shown = metrics.filter((metric) => metric.value(one) !== null);
  assert.ok(shown.length > 10);
  for (const metric of shown) {
    const name = `c10m_${metric.id.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}${metric.kind === 'counter' ? '_total' : ''}`;
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}{`));
    assert.equal(Number(line?.split(' ').at(-1)), metric.value(one), name);
  }
  assert.match(text, /c10m_failed_by_errno_total\{run="r\\"1",host="lab",errno="EMFILE"\} 3/);
  assert.doesNotMatch(text, /latency/, 'a figure that the sample does not have is left out');
});

it('is well formed: one TYPE a family, before its points, an end mark, and each line parses', () => {
  const lines = openMetricsText(sample(), labels).split('\n');
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  const seen = new Set<string>();
  let family = '';
  for (const line of lines.slice(0, -2)) {
    const type = /^# TYPE (\S+) (gauge|counter)$/.exec(line);
    if (type !== null) {
      family = type[1]!;
      assert.ok(!seen.has(family), family);
      seen.add(family);
    } else if (!line.startsWith('# HELP ')) {
      assert.match(line, /^[a-z0-9_]+\{([a-z]+="(?:[^"\\]|\\.)*",?)+\} -?[0-9.e+]+$/);
      assert.ok(line.startsWith(family));
    }
  }
  assert.equal(openMetricsText(null, labels), '# EOF\n');
});
