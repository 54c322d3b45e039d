import { z } from "zod";

export const variableName = z.string().regex(/^[A-Za-z_]\w{0,199}$/, "the name of an environment variable");

/** Variables of the server's environment that a command gets besides the usual ones. */
export const VariableNames = z.array(variableName).max(50);

/** What programs need to find others, their own files, an agent with keys, and the network. */
const usualVariables = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "TMPDIR",
  "XDG_CONFIG_HOME",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
  "GNUPGHOME",
  "PASSWORD_STORE_DIR",
  "SSH_AUTH_SOCK",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "http_proxy",
  "https_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
];

/**
 * Creates the environment of a program that prints a secret. The server's own has other secrets:
 * the keys of models, the database's password, Wharf's secret. The program gets none that its entry
 * does not name.
 */
export function createCommandEnvironment(
  serverEnvironment: Readonly<Record<string, string | undefined>>,
  names: readonly string[] = [],
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of [...usualVariables, ...names]) {
    const value = serverEnvironment[name];
    if (value) environment[name] = value;
  }
  return environment;
}
