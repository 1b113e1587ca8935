import type { ModelChange, RunModel } from '../../core/run/model.js';
import { rowOf } from '../../core/figures/sampleColumns.js';
import { savingText } from '../../core/figures/resultTexts.js';
import type { PanelDelta, PanelRun } from '../../protocol/panel.js';

/** A run as its panel shows it at first. */
export function panelRunOf(model: RunModel, shown: Pick<PanelRun, 'title' | 'tags' | 'link' | 'linkText'>): PanelRun {
  const { runId, spec, startedAt, phases, facts, plan, last, walls, summary } = model;
  const copies = { phases: [...phases], walls: [...walls] };
  return { runId, host: spec.host, spec, startedAt: startedAt ?? new Date().toISOString(), facts, plan, last, summary, ...copies, ...shown };
}

/** What a visible panel must learn of a change. */
export function deltaOf({ fields, line }: ModelChange): PanelDelta {
  const { last } = fields;
  return { type: 'delta', rows: last === undefined ? [] : [rowOf(last)], entries: line === undefined ? [] : [line], run: panelFields(fields) };
}

function panelFields(fields: ModelChange['fields']): Partial<PanelRun> {
  const { startedAt, phases, facts, plan, last, walls, summary } = fields;
  return {
    // The host reports: what was done to reach it is no longer shown.
    ...(startedAt === undefined ? {} : { startedAt, linkText: '' }),
    ...(phases === undefined ? {} : { phases: [...phases], linkText: '' }),
    ...(facts === undefined ? {} : { facts }),
    ...(plan === undefined ? {} : { plan }),
    ...(last === undefined ? {} : { last }),
    ...(walls === undefined ? {} : { walls: [...walls] }),
    ...(summary === undefined ? {} : { summary }),
    ...('linkLost' in fields ? { link: fields.linkLost === undefined ? 'live' : 'lost', linkText: fields.linkLost ?? '' } : {}),
    ...('unsaved' in fields ? { linkText: fields.unsaved === undefined ? '' : savingText(fields.unsaved) } : {}),
  };
}

/** Two deltas as one, in order. */
export function mergeDeltas(first: PanelDelta | undefined, second: PanelDelta): PanelDelta {
  if (first === undefined) return second;
  return { type: 'delta', rows: [...first.rows, ...second.rows], entries: [...first.entries, ...second.entries], run: { ...first.run, ...second.run } };
}
