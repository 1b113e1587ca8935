/** The licences of all packages that went into the bundles: most ask to be shipped with the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './repository.mjs';

/** The package folder below node_modules that a bundled file belongs to, such as `ssh2` or `@lit/reactive-element`. */
function packageOf(input) {
  const match = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
  return match?.[1];
}

/**
 * @param {string[]} inputs files that went into the bundles
 * @param {string[]} extra packages that are shipped beside them
 */
export function thirdPartyNotices(inputs, extra) {
  const names = [...new Set([...inputs.map(packageOf).filter((name) => name !== undefined), ...extra])].sort();
  const parts = names.map((name) => {
    const directory = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file !== undefined && existsSync(join(directory, file)) ? readFileSync(join(directory, file), 'utf8').trim() : `Licence: ${license}`;
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return `C10M contains the following packages.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
