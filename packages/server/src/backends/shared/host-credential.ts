/** What of its own machine a server may let a runner read, where its setting names the runner's agent. */
export const hostCredentials = ["gitconfig", "git-credentials", "ssh", "ssh-agent"] as const;
export type HostCredential = (typeof hostCredentials)[number];

/** Where they are on the server's machine. */
export interface CredentialSources {
  readonly home: string;
  /** The socket of the user's ssh agent. */
  readonly sshAgent?: string | undefined;
}

/** What a runner is given, by name and never with its content, and what it should have been given and why it was not. */
export interface CredentialUse {
  readonly given: readonly string[];
  readonly missing: readonly string[];
}
