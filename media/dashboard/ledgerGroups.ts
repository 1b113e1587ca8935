import type { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import { text } from '../../src/core/texts.js';
import type { ColorName } from './theme.js';

/** Ids of `core/figures/ledger.ts` drawn as one part; six parts can be told apart, fourteen cannot. */
const members = {
  kernelSockets: ['tcpSock', 'socketInode', 'dentry', 'file', 'epoll', 'security', 'ports', 'smallObjects'],
  socketBuffers: ['socketBuffers'],
  tables: ['fdTable', 'pageTables', 'kernelStacks', 'programFiles'],
  server: ['serverProcesses', 'serverTls'],
  client: ['clientProcesses', 'clientTls'],
} as const;
type GroupId = keyof typeof members | 'other';

export interface LedgerGroup {
  id: GroupId;
  label: string;
  color: ColorName;
  values(store: SampleColumnStore): Float32Array;
}

const grouped: ReadonlyMap<string, GroupId> = new Map(
  Object.entries(members).flatMap(([group, ids]) => ids.map((id): [string, GroupId] => [id, group as GroupId])),
);

/** The group of a ledger entry; what no group names is `other`. */
export function groupOf(entryId: string): GroupId {
  return grouped.get(entryId) ?? 'other';
}

export const groupColors: Record<GroupId, ColorName> = {
  kernelSockets: 'blue',
  socketBuffers: 'purple',
  tables: 'yellow',
  server: 'green',
  client: 'orange',
  other: 'muted',
};

/** Sums that were computed before: a store only grows at its end, so only new rows are added up. */
const sums = new WeakMap<SampleColumnStore, Map<GroupId, { values: Float32Array; rows: number; generation: number }>>();

function sum(store: SampleColumnStore, group: GroupId): Float32Array {
  const groups = sums.get(store) ?? new Map<GroupId, { values: Float32Array; rows: number; generation: number }>();
  sums.set(store, groups);
  const known = groups.get(group);
  const from = known?.generation === store.generation && known.rows <= store.length ? known.rows : 0;
  let values = known?.values ?? new Float32Array(0);
  if (values.length < store.length) {
    values = new Float32Array(Math.max(256, store.length * 2));
    if (known !== undefined) values.set(known.values);
  }
  values.fill(0, from, store.length);
  addUp(store, group, values, from);
  groups.set(group, { values, rows: store.length, generation: store.generation });
  return values.subarray(0, store.length);
}

function addUp(store: SampleColumnStore, group: GroupId, result: Float32Array, from: number): void {
  for (const id of store.ids) {
    if (!id.startsWith('ledger.') || groupOf(id.slice('ledger.'.length)) !== group) continue;
    const values = store.column(id);
    for (let row = from; row < values.length; row++) result[row]! += values[row]! || 0;
  }
}

export function groupLabel(id: GroupId): string {
  switch (id) {
    case 'kernelSockets':
      return text('Kernel sockets');
    case 'socketBuffers':
      return text('Socket buffers');
    case 'tables':
      return text('Tables, stacks, programs');
    case 'server':
      return text('Server processes');
    case 'client':
      return text('Client processes');
    case 'other':
      return text('Other');
  }
}

export function ledgerGroups(): LedgerGroup[] {
  return ([...Object.keys(members), 'other'] as GroupId[]).map((id) => ({
    id,
    label: groupLabel(id),
    color: groupColors[id],
    values: (store) => sum(store, id),
  }));
}
