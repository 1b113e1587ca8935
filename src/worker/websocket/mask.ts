import { randomFillSync } from 'node:crypto';

/** Masks drawn at once: one call of the random generator in 1024 frames. */
const masksPerDraw = 1024;

/** Unpredictable masking keys (RFC 6455, section 5.3), without a call and an object for each frame. */
export class MaskSource {
  private readonly bytes = new Uint8Array(masksPerDraw * 4);
  private readonly mask = new Uint8Array(4);
  private at = masksPerDraw * 4;

  /** The next key, in an array that is reused. */
  next(): Uint8Array {
    if (this.at === this.bytes.length) {
      randomFillSync(this.bytes);
      this.at = 0;
    }
    for (let index = 0; index < 4; index++) this.mask[index] = this.bytes[this.at + index]!;
    this.at += 4;
    return this.mask;
  }
}
