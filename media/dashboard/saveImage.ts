import { HumanError } from '../../src/core/errors.js';
import type { Host } from './host.js';
import { text } from '../../src/core/texts.js';

/** Puts a PNG on the clipboard; where the browser refuses (no permission, no focus), the extension offers to save it. Returns what happened. */
export async function copyOrSave(host: Host, fileName: string, image: Blob): Promise<string> {
  try {
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': image })]);
    return text('The image is on the clipboard.');
  } catch {
    try {
      const saved = await host.request({ name: 'saveImage', fileName, base64: await toBase64(image) });
      return saved === true ? text('The image was saved.') : text('The image was not saved.');
    } catch (error) {
      return error instanceof HumanError ? error.text : String(error);
    }
  }
}

/** The extension asks where and writes it. Returns what happened. */
export async function saveText(host: Host, fileName: string, content: string): Promise<string> {
  try {
    return (await host.request({ name: 'saveText', fileName, content })) === true ? text('The file was saved.') : text('The file was not saved.');
  } catch (error) {
    return error instanceof HumanError ? error.text : String(error);
  }
}

async function toBase64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let binary = '';
  // In parts: an argument list has a limit.
  for (let start = 0; start < bytes.length; start += 8_192) binary += String.fromCharCode(...bytes.subarray(start, start + 8_192));
  return btoa(binary);
}
