declare const C10M_VERSION: string | undefined;

/** The version of package.json, put in by the build; `development` when it runs from source, as in tests. */
export function version(): string {
  return typeof C10M_VERSION === 'string' ? C10M_VERSION : 'development';
}
