import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { MetricsFile } from '../../src/cli/metricsFile.js';
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

it('is well formed: help for each family by the name of its points, before them, an end mark, and each line parses', () => {
  const lines = openMetricsText(sample({ failed: { total: 3, byErrno: { EMFILE: 3 } } }), labels).split('\n');
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  const helped = new Set<string>();
  const typed = new Set<string>();
  for (const line of lines.slice(0, -2)) {
    const type = /^# TYPE (\S+) gauge$/.exec(line)?.[1];
    const help = /^# HELP (\S+) ./.exec(line)?.[1];
    if (type !== undefined) {
      assert.ok(!typed.has(type) && !type.endsWith('_total'), type);
      typed.add(type);
    } else if (help !== undefined) {
      assert.ok(!helped.has(help), help);
      helped.add(help);
    } else {
      assert.match(line, /^[a-z0-9_]+\{([a-z]+="(?:[^"\\]|\\.)*",?)+\} -?[0-9.e+]+$/);
      assert.ok(helped.has(line.split('{')[0]!), line);
    }
  }
  assert.equal(openMetricsText(null, labels), '# EOF\n');
});

it('the file is finished when the run is over: its last figures, the phase in which it ended, the end mark', () => {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-metrics-'));
  try {
    const path = join(directory, 'run.prom');
    const file = new MetricsFile(path, labels, () => undefined);
    file.create();
    file.write(sample({ phase: 'holding', lost: 7 }));
    file.finish('finished');
    file.finish('incomplete');
    file.write(sample({ phase: 'draining' }));
    const text = readFileSync(path, 'utf8');
    assert.match(text, /c10m_phase\{[^}]*phase="finished"\} 1\n/);
    assert.match(text, /c10m_lost_total\{[^}]*\} 7\n/);
    assert.match(text, /# EOF\n$/);
    assert.doesNotMatch(text, /phase="(holding|draining|incomplete)"/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
