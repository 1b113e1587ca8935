/** Values of the `%` tokens of ssh_config, by their letter. */
export type TokenValues = Readonly<Record<string, string>>;

/** Replaces `%x` by the value of `x` and `%%` by `%`. A token without a value is left as it stands: the caller decides whether that matters. */
export function expandTokens(text: string, values: TokenValues): string {
  return text.replace(/%(.)/gs, (token, letter: string) => (letter === '%' ? '%' : Object.hasOwn(values, letter) ? values[letter]! : token));
}
