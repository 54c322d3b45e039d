/**
 * A server may let a runner read these credentials of its machine, if its setting names the
 * runner's agent.
 */
export const hostCredentials = ["gitconfig", "git-credentials", "ssh", "ssh-agent"] as const;
export type HostCredential = (typeof hostCredentials)[number];

/** Locates the credentials on the server's machine. */
export interface CredentialSources {
  readonly home: string;
  /** Names the socket of the user's ssh agent. */
  readonly sshAgent?: string | undefined;
}

/**
 * Lists the credentials that a runner gets, by name and never with their content, and the missing
 * ones with the reason.
 */
export interface CredentialUse {
  readonly given: readonly string[];
  readonly missing: readonly string[];
}
