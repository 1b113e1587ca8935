import * as v from 'valibot';

/**
 * What a client says first and what it expects, before its connection counts as established, and what keeps it alive. Bytes are written as text
 * with names in braces (`{connection}`, `{connection:8}`, `{random:16}`, `{host}`, `{port}`, `{env:NAME}`), as hex, as base64, or as a list of these.
 */
const encodedBytesSchema = v.union([
  v.strictObject({ text: v.pipe(v.string(), v.maxLength(65_536)) }),
  v.strictObject({ hex: v.pipe(v.string(), v.maxLength(131_072), v.regex(/^(?:\s*[0-9a-fA-F]{2})*\s*$/, 'it must be pairs of hex digits')) }),
  v.strictObject({ base64: v.pipe(v.string(), v.maxLength(131_072), v.regex(/^[A-Za-z0-9+/\s]*={0,2}\s*$/, 'it must be base64')) }),
]);
export const bytesTextSchema = v.union([
  v.pipe(v.string(), v.maxLength(65_536)),
  encodedBytesSchema,
  v.pipe(v.array(v.union([v.pipe(v.string(), v.maxLength(65_536)), encodedBytesSchema])), v.maxLength(100)),
]);
/** Bytes as people write them. */
export type BytesText = v.InferOutput<typeof bytesTextSchema>;

const withinSchema = v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(600)));

export const openingStepSchema = v.union([
  v.strictObject({ send: bytesTextSchema }),
  v.strictObject({
    expect: v.union([
      /** The next bytes are these. */
      v.strictObject({ prefix: bytesTextSchema }),
      /** These come, whatever is before them. */
      v.strictObject({ contains: bytesTextSchema }),
      /** So many bytes, whatever they are. */
      v.strictObject({ bytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_048_576)) }),
    ]),
    withinSeconds: withinSchema,
  }),
]);

export const keepAliveSchema = v.strictObject({
  everySeconds: v.pipe(v.number(), v.minValue(0.5), v.maxValue(86_400)),
  /** Absent with `ping`. */
  send: v.optional(bytesTextSchema),
  /** A WebSocket ping frame. */
  ping: v.optional(v.boolean()),
  /** What the answer begins with; absent: none is expected. */
  expect: v.optional(bytesTextSchema),
});

/** What the server asks on its own, and the answer: without it it would close the connection. `{rest}`: what follows in the same line. */
export const replySchema = v.strictObject({ when: bytesTextSchema, send: bytesTextSchema });

export const openingSchema = v.strictObject({
  /** Where its bytes come from: a standard, a manual. */
  source: v.optional(v.pipe(v.string(), v.maxLength(500))),
  /** Subprotocols that a WebSocket client offers. */
  subprotocols: v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/))), v.maxLength(20))),
  steps: v.pipe(v.array(openingStepSchema), v.maxLength(32)),
  replies: v.optional(v.pipe(v.array(replySchema), v.maxLength(8))),
  keepAlive: v.optional(keepAliveSchema),
});
export type Opening = v.InferOutput<typeof openingSchema>;
export type KeepAlive = v.InferOutput<typeof keepAliveSchema>;

/** The name of a preset, or an opening. */
export const openingChoiceSchema = v.union([v.pipe(v.string(), v.minLength(1), v.maxLength(100)), openingSchema]);

/** Names of environment variables that an opening or a header takes, of the machine on which the user is. */
export function environmentNames(texts: unknown): string[] {
  const names = new Set<string>();
  for (const match of JSON.stringify(texts ?? '').matchAll(/\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g)) names.add(match[1]!);
  return [...names];
}
