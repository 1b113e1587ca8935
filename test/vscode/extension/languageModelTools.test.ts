import assert from 'node:assert/strict';
import * as vscode from 'vscode';

const names = { list: 'c10m_list_runs', show: 'c10m_get_run', compare: 'c10m_compare_runs' };
/** The two runs that the runner saved before the window opened; the newer one costs half as much again. */
const [older, newer] = ['20261123-040000-aaaaaa', '20261123-050000-bbbbbb'] as const;

async function invoke(name: string, input: object): Promise<unknown> {
  const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
  assert.equal(content.length, 1);
  const [part] = content;
  assert.ok(part instanceof vscode.LanguageModelTextPart);
  return JSON.parse(part.value) as unknown;
}

describe('language model tools', () => {
  it('are contributed, and their inputs are described', () => {
    for (const name of Object.values(names)) {
      const tool = vscode.lm.tools.find((candidate) => candidate.name === name);
      assert.ok(tool, name);
      assert.match(tool.description, /Read-only/);
      assert.equal((tool.inputSchema as { type?: string } | undefined)?.type, 'object');
    }
  });

  it('list the runs, newest first', async () => {
    const { total, runs, inProgress } = (await invoke(names.list, {})) as { total: number; runs: { id: string; verdict: string }[]; inProgress: unknown[] };
    assert.deepEqual(
      { total, inProgress, runs: runs.map(({ id, verdict }) => `${id} ${verdict}`) },
      { total: 2, inProgress: [], runs: [`${newer} finished`, `${older} finished`] },
    );
  });

  it('show a run by its id, its end or "last"', async () => {
    for (const [runId, expected] of [
      [older, older],
      ['aaaaaa', older],
      ['last', newer],
    ] as const) {
      const run = (await invoke(names.show, { runId })) as { id: string; spec: { connections: number }; summary: { bytesPerEnd: number } };
      assert.equal(run.id, expected, runId);
      assert.equal(run.spec.connections, 100_000);
      assert.ok(run.summary.bytesPerEnd > 4_000);
    }
  });

  it('compare runs with the first one', async () => {
    const comparison = (await invoke(names.compare, { runIds: [older, newer] })) as { metrics: { id: string; verdicts: string[] }[] };
    const verdicts = Object.fromEntries(comparison.metrics.map(({ id, verdicts: [, verdict] }) => [id, verdict]));
    assert.equal(verdicts['bytesPerEnd'], 'worse');
    assert.equal(verdicts['established'], 'same');
  });

  it('answer wrong input in a sentence that says what to do', async () => {
    const cases: [string, object, RegExp][] = [
      [names.show, {}, /"runId" must hold the id of a run, or "last"\. The tool c10m_list_runs lists them\./],
      [names.show, { runId: 7 }, /"runId" must hold the id of a run/],
      [names.show, { runId: '2026' }, /"2026" means 2 runs\. List them/],
      [names.show, { runId: '../../etc' }, /There is no run "\.\.\/\.\.\/etc"/],
      [names.compare, {}, /"runIds" must be a list of 2 to 8 ids/],
      [names.compare, { runIds: [older] }, /"runIds" must be a list of 2 to 8 ids/],
      [names.compare, { runIds: Array.from({ length: 9 }, () => older) }, /"runIds" must be a list of 2 to 8 ids/],
      [names.compare, { runIds: [older, null] }, /"runIds" must hold the id of a run/],
      [names.compare, { runIds: [older, 'nothing'] }, /There is no run "nothing"/],
    ];
    for (const [name, input, message] of cases) await assert.rejects(invoke(name, input), { message }, `${name} ${JSON.stringify(input)}`);
  });

  it('leave the history as it was', async () => {
    const before = JSON.stringify(await invoke(names.list, {}));
    await invoke(names.show, { runId: 'last' });
    await invoke(names.compare, { runIds: [older, newer] });
    assert.equal(JSON.stringify(await invoke(names.list, {})), before);
  });
});
