/** Fields of SSH's binary packets (RFC 4251, section 5). Pure. */

/** A string with its length before it. */
export function wireString(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A number that is not negative, big endian: without zeros before it, but one where its first bit would be taken for a sign. */
export function wireNumber(value: Buffer): Buffer {
  let start = 0;
  while (start < value.length && value[start] === 0) start++;
  const digits = value.subarray(start);
  return wireString((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits);
}

/** Takes fields from a packet one by one; each is undefined where the packet has no more. */
export class WireReader {
  private at = 0;

  constructor(private readonly packet: Buffer) {}

  uint32(): number | undefined {
    if (this.at + 4 > this.packet.length) return undefined;
    this.at += 4;
    return this.packet.readUInt32BE(this.at - 4);
  }

  string(): Buffer | undefined {
    const length = this.uint32();
    if (length === undefined || this.at + length > this.packet.length) return undefined;
    this.at += length;
    return this.packet.subarray(this.at - length, this.at);
  }

  text(): string | undefined {
    return this.string()?.toString('latin1');
  }

  skip(bytes: number): void {
    this.at += bytes;
  }
}
