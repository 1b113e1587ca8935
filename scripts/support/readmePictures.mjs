import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A paragraph `![text](media/…png)`, as the README of the repository has it. */
const picture = /!\[([^\]]*)\]\((media\/[\w/.-]+\.png)\)\n*/g;

/**
 * The README as it is packed. The Marketplace and the page of an installed extension show only pictures at https addresses (VS Code takes
 * away the source of any other): with a base address the pictures point there, without one they are left out rather than shown as broken.
 *
 * @param {string} readme
 * @param {string} root folder that `media/…` is in; a picture that is missing there throws
 * @param {string | undefined} baseUrl https address of the same folder on the web
 * @returns {string}
 */
export function withPictures(readme, root, baseUrl) {
  if (baseUrl !== undefined && !baseUrl.startsWith('https://')) throw new Error(`--pictures-url must be an https address, not ${baseUrl}`);
  return readme.replace(picture, (_whole, text, path) => {
    if (!existsSync(join(root, path))) throw new Error(`The README shows ${path}, which is not there`);
    return baseUrl === undefined ? '' : `![${text}](${baseUrl.replace(/\/+$/, '')}/${path})\n\n`;
  });
}
