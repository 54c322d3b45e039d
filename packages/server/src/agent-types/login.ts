import { basename } from "node:path";
import type { AgentTypeRow } from "./agent-types.ts";

interface Login {
  readonly variable: string;
  /** Where the program keeps it in its home. */
  readonly file: string;
}

/** Programs that use no model route and refuse a session without a login, by name. */
const logins: ReadonlyMap<string, Login> = new Map([
  ["auggie", { variable: "AUGMENT_SESSION_AUTH", file: ".augment/session.json" }],
]);

/** Why a program that wants a login has none, or nothing. A runner has no login of its host: only the agent type can bring one. */
export function explainMissingLogin(
  type: Pick<AgentTypeRow, "name" | "command" | "environment_vars" | "home_files">,
): string | undefined {
  const login = logins.get(basename(type.command[0] ?? ""));
  if (!login || type.environment_vars[login.variable] || type.home_files[login.file]) return undefined;
  return `it wants a login, and none is given: \`wharf agent-types set ${type.name} --home-file ${login.file}=<file>\`, or ${login.variable} with --env`;
}
