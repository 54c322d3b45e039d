import type { Endpoint } from "../address.ts";
import type { GitConfig } from "../environment.ts";

/** A user name and a password or token for a git host. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

const usernameVariable = "WHARF_GIT_USERNAME";
const passwordVariable = "WHARF_GIT_PASSWORD";

/** Answers git from two variables, and only to questions: git also reports what was accepted. */
const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$${usernameVariable}" "$${passwordVariable}"; }; f`;

/**
 * Returns how git gets a login: through a credential helper for this one host, from variables of
 * its own process. No argument and no file contains the login. Git sends it only when the host asks
 * for one. The empty first value removes the helpers of the server's user.
 */
export function getLoginSettings({ protocol, name, port }: Endpoint): GitConfig {
  const host = `${name.includes(":") ? `[${name}]` : name}${port === undefined ? "" : `:${port}`}`;
  return [
    ["credential.helper", ""],
    [`credential.${protocol}://${host}.helper`, helper],
  ];
}

export const getLoginVariables = ({ username, password }: Login): Record<string, string> => ({
  [usernameVariable]: username,
  [passwordVariable]: password,
});

/** Removes a login from a text that a git host may have written: it has seen the login. */
export function removeLogin(text: string, { username, password }: Login): string {
  const forms = [
    password,
    encodeURIComponent(password),
    Buffer.from(`${username}:${password}`).toString("base64"),
    Buffer.from(password).toString("base64").replace(/=+$/, ""),
  ];
  return forms.reduce((cleaned, form) => cleaned.replaceAll(form, "***"), text);
}
