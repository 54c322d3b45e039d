import { createOutgoingEnvironment } from "../relay/index.ts";
import { gitVariables } from "../std/git-variables.ts";

/**
 * Returns the environment of commands and terminals, to which their caller's variables are added.
 */
export function getBaseEnvironment(home: string, term: string): Record<string, string> {
  const relayUrl = process.env["WHARF_GATEWAY"];
  return {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: term,
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    ...gitVariables,
    // The relay listens at this address: it leads programs with a token to the models.
    ...(relayUrl && { WHARF_GATEWAY: relayUrl, ...createOutgoingEnvironment(relayUrl) }),
    // This variable exists only in runners that forward their owner's ssh agent.
    ...(process.env["SSH_AUTH_SOCK"] && { SSH_AUTH_SOCK: process.env["SSH_AUTH_SOCK"] }),
  };
}
