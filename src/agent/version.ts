declare const C10M_VERSION: string | undefined;

/** The version of the build; `development` when it runs from source. */
export function agentVersion(): string {
  return typeof C10M_VERSION === 'string' ? C10M_VERSION : 'development';
}
