import { execFile } from "node:child_process";
import { isIP } from "node:net";
import { promisify } from "node:util";
import { WharfError } from "@wharf/contract";
import type { FindAddresses } from "../hosts/addresses.ts";
import {
  type AddressPolicy,
  createRefusal,
  findPermission,
  requireAllowedAddresses,
  resolveHost,
} from "./address-policy.ts";
import type { Endpoint } from "./address.ts";

const readTimeoutMs = 10_000;

export interface SshOptions {
  readonly url: string;
  readonly endpoint: Endpoint;
  readonly policy: AddressPolicy;
  readonly findAddresses: FindAddresses;
  /** The command with which git starts ssh, for a shell. */
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the command with which git reaches the remote over ssh: at an address that was checked.
 * The configuration of ssh may give the host another name or a port; ssh itself reports them.
 *
 * Where that configuration names a jump host or a proxy command, the other side resolves the name.
 * Such a host counts as one of a private network.
 */
export async function pinSshCommand(options: SshOptions): Promise<string> {
  const { url, endpoint, policy, command } = options;
  const permission = findPermission(url, endpoint, policy);
  const settings = await readSshSettings(options);
  if (isSet(settings.get("proxycommand")) || isSet(settings.get("proxyjump"))) {
    if (permission.allowsPrivate) return command;
    throw createRefusal(url, "ssh reaches its host through another one, so it counts as private");
  }
  const name = settings.get("hostname") ?? endpoint.name;
  const port = settings.get("port") ?? "22";
  const found = await resolveHost(name, options);
  const [first] = requireAllowedAddresses(url, found, permission);
  if (!first || isIP(first.address) === 0 || !/^\d+$/.test(port)) throw createRefusal(url, "ssh cannot reach its host");
  // The host's key stays known under the host's name.
  const alias = port === "22" ? name : `[${name}]:${port}`;
  const known = isSet(settings.get("hostkeyalias")) ? "" : ` -o ${quote(`HostKeyAlias=${alias}`)}`;
  return `${command} -o HostName=${first.address}${known}`;
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "none";
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

async function readSshSettings(options: SshOptions): Promise<ReadonlyMap<string, string>> {
  const { url, endpoint, command, environment, signal } = options;
  const args = [
    ...(endpoint.port === undefined ? [] : ["-p", String(endpoint.port)]),
    endpoint.user === undefined ? endpoint.name : `${endpoint.user}@${endpoint.name}`,
  ];
  const run = promisify(execFile);
  const { stdout } = await run("/bin/sh", ["-c", `${command} -G "$@"`, "ssh", ...args], {
    env: environment,
    timeout: readTimeoutMs,
    killSignal: "SIGKILL",
    ...(signal && { signal }),
  }).catch((cause: Error & { stderr?: string }) => {
    signal?.throwIfAborted();
    const reason = `ssh does not report its settings for ${endpoint.name}: ${cause.stderr?.trim() || cause.message}`;
    throw new WharfError("repository_unreachable", { url, reason: reason.slice(0, 500) }, { cause });
  });
  return new Map(
    stdout.split("\n").map((line) => {
      const space = line.indexOf(" ");
      return [line.slice(0, space).toLowerCase(), line.slice(space + 1).trim()] as const;
    }),
  );
}
