import koffi from 'koffi';

interface Calls {
  /** glibc 2.33 and newer; undefined elsewhere. */
  mallinfo2: (() => { uordblks: number; hblkhd: number }) | undefined;
  /** glibc only. */
  mallocTrim: ((padding: number) => number) | undefined;
}

let calls: Calls | undefined;

function load(): Calls {
  if (calls !== undefined) return calls;
  const library = koffi.load(null);
  const optional = (declare: () => unknown): unknown => {
    try {
      return declare();
    } catch {
      return undefined;
    }
  };
  const fields = ['arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks', 'fsmblks', 'uordblks', 'fordblks', 'keepcost'];
  calls = {
    mallinfo2: optional(() =>
      library.func('mallinfo2', koffi.struct(Object.fromEntries(fields.map((field) => [field, 'uintptr_t']))), []),
    ) as Calls['mallinfo2'],
    mallocTrim: optional(() => library.func('int malloc_trim(uintptr_t padding)')) as Calls['mallocTrim'],
  };
  return calls;
}

/** Bytes that C code of this process has allocated and not freed, with the allocator's headers; undefined where the C library does not say. */
export function allocatedBytes(): number | undefined {
  const info = load().mallinfo2?.();
  return info === undefined ? undefined : info.uordblks + info.hblkhd;
}

/** Gives freed memory back to the kernel, where the C library can. Takes milliseconds for each ten thousand freed blocks. */
export function trimMemory(): void {
  load().mallocTrim?.(0);
}
