/** What a command or a terminal finds in its environment before its caller's own. */
export function getBaseEnvironment(home: string, term: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: term,
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    // Where the relay listens: the way to the models, for a program that has a token.
    ...(process.env["WHARF_GATEWAY"] && { WHARF_GATEWAY: process.env["WHARF_GATEWAY"] }),
    // There only where a runner was given the way to its owner's ssh agent.
    ...(process.env["SSH_AUTH_SOCK"] && { SSH_AUTH_SOCK: process.env["SSH_AUTH_SOCK"] }),
  };
}
