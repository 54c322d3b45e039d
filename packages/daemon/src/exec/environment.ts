/**
 * Returns the environment of commands and terminals, to which their caller's variables are added.
 */
export function getBaseEnvironment(home: string, term: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: term,
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    // The relay listens at this address: it leads programs with a token to the models.
    ...(process.env["WHARF_GATEWAY"] && { WHARF_GATEWAY: process.env["WHARF_GATEWAY"] }),
    // This variable exists only in runners that forward their owner's ssh agent.
    ...(process.env["SSH_AUTH_SOCK"] && { SSH_AUTH_SOCK: process.env["SSH_AUTH_SOCK"] }),
  };
}
