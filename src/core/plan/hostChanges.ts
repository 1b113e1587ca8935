import { sysctlDefinitions } from './sysctls.js';

/** The marks in the README between which `hostChangesText()` stands. */
export const hostChangesMarks = { begin: '<!-- host changes: generated from src/core/plan/sysctls.ts -->', end: '<!-- end of host changes -->' };

/** The README's section *What it changes on your host*, from the list of keys, so that it cannot say less than is true. */
export function hostChangesText(): string {
  const inNamespace = sysctlDefinitions.filter((definition) => definition.scope === 'netns');
  const global = sysctlDefinitions.filter((definition) => definition.scope === 'global');
  return [
    'A run on one host lives in a network namespace of its own (as root, or through a user namespace). Keys of that namespace are set inside it and vanish with it; ' +
      "your host's own values are never touched:",
    '',
    table(inNamespace),
    '',
    'These keys exist once for the whole machine. They are raised (never lowered) only when the plan needs more than they allow, only where they can be written, and never with `--tuning none`:',
    '',
    table(global),
    '',
    'With `--isolation host`, with several hosts, or where no namespace can be made, the keys of the first table are changed on the host too, in the same way as those of the second:',
    'the original values are written to a journal on the host (and to its disk) before the first key is written; each write is read back; afterwards they are restored in reverse order, ' +
      'but only keys that still hold our value: what somebody else changed meanwhile is left alone and named. A guardian process does this when the run is killed, ' +
      'and `c10m host restore NAME` does it, or prints the plain `sysctl -w` lines, when the guardian was killed too.',
    '',
    'Besides, while a run lasts: a lock (`/run/c10m` for root, `c10m` in the runtime directory for other users), the state of the run (`~/.local/state/c10m` of the user it runs as, removed when its result was fetched), and the agent itself in a cache directory. ' +
      'No file in `/etc` is written, no service is installed, no firewall rule is added.',
  ].join('\n');
}

type Definition = (typeof sysctlDefinitions)[number];

function table(definitions: readonly Definition[]): string {
  const rows = definitions.map(({ key, reason, danger }) => `| \`${key}\` | ${reason} | ${danger ?? ''} |`);
  return ['| key | what it limits | what raising it means |', '|---|---|---|', ...rows].join('\n');
}
