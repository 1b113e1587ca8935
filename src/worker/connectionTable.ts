/**
 * State of each descriptor in one byte, and a dense list of the open ones where a worker needs to walk them. Arrays grow by
 * doubling up to the descriptor limit; nothing is allocated per connection.
 */
export class ConnectionTable {
  private states: Uint8Array;

  constructor(expected: number) {
    this.states = new Uint8Array(Math.max(1024, expected));
  }

  get(fd: number): number {
    return fd < this.states.length ? this.states[fd]! : 0;
  }

  set(fd: number, state: number): void {
    if (fd >= this.states.length) this.states = grown(this.states, fd, Uint8Array);
    this.states[fd] = state;
  }
}

/** Open descriptors in the order of their opening, except that the last takes the place of one that closed. */
export class DescriptorList {
  private list: Int32Array;
  private positions: Int32Array;
  private count = 0;

  constructor(expected: number) {
    this.list = new Int32Array(Math.max(1024, expected));
    this.positions = new Int32Array(Math.max(1024, expected));
  }

  get length(): number {
    return this.count;
  }

  at(index: number): number {
    return this.list[index]!;
  }

  has(fd: number): boolean {
    const at = fd < this.positions.length ? this.positions[fd]! : 0;
    return at < this.count && this.list[at] === fd;
  }

  last(): number {
    return this.list[this.count - 1]!;
  }

  add(fd: number): void {
    if (this.count >= this.list.length) this.list = grown(this.list, this.count, Int32Array);
    if (fd >= this.positions.length) this.positions = grown(this.positions, fd, Int32Array);
    this.positions[fd] = this.count;
    this.list[this.count++] = fd;
  }

  remove(fd: number): void {
    const at = this.positions[fd]!;
    const last = this.list[--this.count]!;
    this.list[at] = last;
    this.positions[last] = at;
  }

  snapshot(): Int32Array {
    return this.list.slice(0, this.count);
  }
}

interface TypedArray<T> {
  readonly length: number;
  set(from: T): void;
}

/** A copy that has a place for `index`. */
export function grown<T extends TypedArray<T>>(array: T, index: number, type: new (length: number) => T): T {
  const copy = new type(Math.max(array.length * 2, index + 1));
  copy.set(array);
  return copy;
}
