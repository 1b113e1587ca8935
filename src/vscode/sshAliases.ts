/** The aliases of ~/.ssh/config. */
export function sshAliases(): Promise<readonly string[]> {
  return Promise.resolve([]);
}
