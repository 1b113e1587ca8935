/**
 * The files in a zip archive, from its central directory: what is really in a VSIX, not what was meant to be.
 *
 * @param {Buffer} archive
 * @returns {Map<string, number>} name to uncompressed bytes
 */
export function zipEntries(archive) {
  // APPNOTE.TXT 4.3.16: the end record has 22 bytes and a comment of at most 65,535.
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('not a zip archive');
  const entries = new Map();
  let offset = archive.readUInt32LE(end + 16);
  for (let index = archive.readUInt16LE(end + 10); index > 0; index -= 1) {
    const nameLength = archive.readUInt16LE(offset + 28);
    const name = archive.toString('utf8', offset + 46, offset + 46 + nameLength);
    entries.set(name, archive.readUInt32LE(offset + 24));
    offset += 46 + nameLength + archive.readUInt16LE(offset + 30) + archive.readUInt16LE(offset + 32);
  }
  return entries;
}
