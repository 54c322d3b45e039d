import { maxThreads } from "./limits.ts";

/**
 * The environments in which git runs. Git gets only the variables of the server that are named
 * here, and none of these environments lets git wait for a person.
 */

/**
 * Fetches and forwards need these variables so that the host's own credential helpers and SSH keys
 * work.
 */
const passedVariableNames = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "TMPDIR",
  "XDG_CONFIG_HOME",
  "XDG_RUNTIME_DIR",
  "DBUS_SESSION_BUS_ADDRESS",
  "GNUPGHOME",
  "PASSWORD_STORE_DIR",
  "SSH_AUTH_SOCK",
  "GIT_CONFIG_GLOBAL",
  "GIT_CONFIG_SYSTEM",
  "GIT_CONFIG_NOSYSTEM",
  "GIT_EXEC_PATH",
  "GIT_SSL_CAINFO",
  "GIT_SSL_CAPATH",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "CURL_CA_BUNDLE",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
  "GH_TOKEN",
  "GITHUB_TOKEN",
  "GH_HOST",
  "GH_CONFIG_DIR",
];

export type GitConfig = readonly (readonly [name: string, value: string])[];

/** Harmless faults that the histories of old, well-known repositories contain. */
const ignoredFaults = [
  "badTimezone",
  "missingSpaceBeforeDate",
  "missingSpaceBeforeEmail",
  "missingNameBeforeEmail",
  "zeroPaddedFilemode",
  "badDateOverflow",
  "zeroPaddedDate",
];

/** Every command gets these settings, which take precedence over any configuration file. */
const commonConfig: GitConfig = [
  // This setting affects our mirrors only: git does not pass it on to the far side of a local path,
  // where git's own ownership check remains.
  ["safe.directory", "*"],
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["receive.autogc", "false"],
  ["transfer.fsckObjects", "true"],
  ["receive.fsckObjects", "true"],
  ["fetch.fsckObjects", "true"],
  ...ignoredFaults.flatMap((fault): GitConfig => [
    [`fetch.fsck.${fault}`, "ignore"],
    [`receive.fsck.${fault}`, "ignore"],
  ]),
  // Every fetch and push stays one pack, so that loose objects never accumulate.
  ["transfer.unpackLimit", "1"],
  // Git streams larger files in pieces, stores them without a delta, and counts them as binary in a
  // diff.
  ["core.bigFileThreshold", "64m"],
  ["pack.threads", String(maxThreads)],
  ["pack.windowMemory", "256m"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["protocol.ext.allow", "never"],
  ["push.gpgSign", "false"],
  ["push.followTags", "false"],
  ["credential.interactive", "false"],
  // Git disconnects from a remote that sends nothing for a minute.
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "60"],
];

function toConfigVariables(config: GitConfig, offset = 0): Record<string, string> {
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(offset + config.length) };
  for (const [index, [name, value]] of config.entries()) {
    variables[`GIT_CONFIG_KEY_${offset + index}`] = name;
    variables[`GIT_CONFIG_VALUE_${offset + index}`] = value;
  }
  return variables;
}

/** Adds settings to an environment that this module created. */
export function addGitConfig(environment: Readonly<Record<string, string>>, config: GitConfig): Record<string, string> {
  const offset = Number(environment["GIT_CONFIG_COUNT"] ?? 0);
  return { ...environment, ...toConfigVariables(config, offset) };
}

const unattendedVariables = {
  LC_ALL: "C",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "false",
  SSH_ASKPASS: "false",
  SSH_ASKPASS_REQUIRE: "never",
  GCM_INTERACTIVE: "never",
  GIT_ALLOW_PROTOCOL: "http:https:ssh:file",
  GIT_NO_LAZY_FETCH: "1",
};

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The options of every ssh command, for a shell. A shared connection would outlive the command that
 * opened it.
 */
export const sshOptions =
  "-o ControlMaster=no -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/** The environment of commands that access the real remote, with the host's own logins. */
export function toHostEnvironment(
  serverEnvironment: Readonly<Record<string, string>>,
  sshCommand: string,
): Record<string, string> {
  const passedVariables = Object.fromEntries(
    passedVariableNames.flatMap((name) =>
      serverEnvironment[name] === undefined ? [] : [[name, serverEnvironment[name]]],
    ),
  );
  return {
    PATH: defaultPath,
    ...passedVariables,
    ...unattendedVariables,
    GIT_SSH_COMMAND: `${sshCommand} ${sshOptions}`,
    ...toConfigVariables(commonConfig),
  };
}

/**
 * The environment of commands that have a login of their own from Wharf: without the configuration
 * and the logins of the server's user, such as those in `~/.netrc`.
 */
export function withoutUserLogins(environment: Readonly<Record<string, string>>): Record<string, string> {
  const userVariables = ["XDG_CONFIG_HOME", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GH_CONFIG_DIR"];
  const remaining = Object.entries(environment).filter(([name]) => !userVariables.includes(name));
  return { ...Object.fromEntries(remaining), HOME: "/nonexistent", GIT_CONFIG_GLOBAL: "/dev/null" };
}

/**
 * The environment of commands that read or serve a mirror: no home, no configuration of a user or
 * machine, no login.
 */
export function toServedEnvironment(
  serverEnvironment: Readonly<Record<string, string>>,
  config: GitConfig = [],
): Record<string, string> {
  const passedVariables = Object.fromEntries(
    ["PATH", "TMPDIR", "GIT_EXEC_PATH"].flatMap((name) =>
      serverEnvironment[name] === undefined ? [] : [[name, serverEnvironment[name]]],
    ),
  );
  return {
    PATH: defaultPath,
    ...passedVariables,
    ...unattendedVariables,
    GIT_ALLOW_PROTOCOL: "none",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    ...toConfigVariables([...commonConfig, ...config]),
  };
}
