import { basename } from "node:path";
import type { AgentTypeRow } from "./row.ts";

interface Login {
  readonly variable: string;
  /** The path of the login in the program's home. */
  readonly file: string;
}

/** Programs that use no model route and refuse a session without a login, by name. */
const logins: ReadonlyMap<string, Login> = new Map([
  ["auggie", { variable: "AUGMENT_SESSION_AUTH", file: ".augment/session.json" }],
]);

/**
 * Explains why a program has no login although it needs one; undefined otherwise. Runners have no
 * login of their host: only the agent type can provide one.
 */
export function explainMissingLogin(
  type: Pick<AgentTypeRow, "name" | "command" | "environment_vars" | "home_files">,
): string | undefined {
  const login = logins.get(basename(type.command[0] ?? ""));
  if (!login || type.environment_vars[login.variable] || type.home_files[login.file]) return undefined;
  return `it needs a login: set one with \`wharf agent-types set ${type.name} --home-file ${login.file}=<file>\`, or ${login.variable} with --env`;
}
