/** `npm run l10n`: writes l10n/bundle.l10n.json, what translators start from. A unit test fails while it is out of date. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleText, shownTexts } from './l10nBundle.js';

const root = join(import.meta.dirname, '..');
writeFileSync(join(root, 'l10n', 'bundle.l10n.json'), bundleText(shownTexts(root)));
