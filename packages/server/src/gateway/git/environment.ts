import { maxThreads } from "./limits.ts";

/**
 * The environments git runs in. Nothing of the server's environment reaches git but what is named here, and nothing in
 * them ever lets git wait for a person.
 */

/** What a fetch or a forward needs so that the host's own credential helpers and SSH keys work. */
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

/** Faults that old, well-known repositories have in their history and that harm nobody. */
const ignoredFaults = [
  "badTimezone",
  "missingSpaceBeforeDate",
  "missingSpaceBeforeEmail",
  "missingNameBeforeEmail",
  "zeroPaddedFilemode",
  "badDateOverflow",
  "zeroPaddedDate",
];

/** Set on every command, above any file of configuration. */
const commonConfig: GitConfig = [
  // Speaks of our mirrors only: git does not pass it on to the far side of a local path, where its own rule of ownership stays.
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
  // Every fetch and push stays one pack, so that loose objects never pile up.
  ["transfer.unpackLimit", "1"],
  // What is larger passes through in pieces, is stored without a delta, and counts as binary in a diff.
  ["core.bigFileThreshold", "64m"],
  ["pack.threads", String(maxThreads)],
  ["pack.windowMemory", "256m"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["protocol.ext.allow", "never"],
  ["push.gpgSign", "false"],
  ["push.followTags", "false"],
  ["credential.interactive", "false"],
  // A remote that sends nothing for a minute is gone.
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "60"],
];

function toConfigVariables(config: GitConfig): Record<string, string> {
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(config.length) };
  for (const [index, [name, value]] of config.entries()) {
    variables[`GIT_CONFIG_KEY_${index}`] = name;
    variables[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return variables;
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

/** For what talks to the real remote, with the host's own logins. */
export function toHostEnvironment(
  serverEnvironment: Readonly<Record<string, string>>,
  sshCommand: string,
): Record<string, string> {
  const passedVariables = Object.fromEntries(
    passedVariableNames.flatMap((name) =>
      serverEnvironment[name] === undefined ? [] : [[name, serverEnvironment[name]]],
    ),
  );
  // A shared connection would outlive the command that opened it.
  const ssh = `${sshCommand} -o ControlMaster=no -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4`;
  return {
    PATH: defaultPath,
    ...passedVariables,
    ...unattendedVariables,
    GIT_SSH_COMMAND: ssh,
    ...toConfigVariables(commonConfig),
  };
}

/** For what reads or serves a mirror: no home, no user's or machine's configuration, no login. */
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
