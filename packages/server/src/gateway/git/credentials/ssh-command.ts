import type { CredentialEntry } from "./credential-entry.ts";

/**
 * Returns the ssh command of an entry, for a shell: with this entry's key or agent and known hosts
 * alone, and without the configuration of the server's user.
 */
export function createSshCommand(
  { key_file, known_hosts_file }: NonNullable<CredentialEntry["ssh"]>,
  options: string,
): string {
  const identity = key_file === undefined ? "" : ` -i ${quote(key_file)} -o IdentitiesOnly=yes -o IdentityAgent=none`;
  const knownHosts = quote(`UserKnownHostsFile="${known_hosts_file}"`);
  const trust = `-o ${knownHosts} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes`;
  return `ssh -F /dev/null${identity} ${trust} ${options}`;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
