import type { WharfError } from "@wharf/contract";
import type { FindAddresses } from "../hosts/addresses.ts";
import {
  type AddressPolicy,
  findPermission,
  requireAllowedAddress,
  requireAllowedAddresses,
  resolveHost,
} from "./address-policy.ts";
import { type Endpoint, parseAddress } from "./address.ts";
import { ConnectionGuard } from "./connection-guard.ts";
import { addGitConfig } from "./environment.ts";
import type { Remote } from "./remote.ts";
import { runGit } from "./run-git.ts";
import { pinSshCommand } from "./ssh-connection.ts";

type Environment = Readonly<Record<string, string>>;

/** The environment in which one git command reaches its remote. */
export interface RemoteConnection extends Disposable {
  readonly environment: Environment;
  /** The reason why the remote was not reached, if Wharf knows it better than git. */
  readonly failure: WharfError | undefined;
}

export interface ConnectionOptions {
  readonly policy: AddressPolicy;
  readonly findAddresses: FindAddresses;
  /** Arguments before git's command, such as the folder of the mirror. */
  readonly args: readonly string[];
  readonly isPush: boolean;
  readonly environment: Environment;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Prepares the way to a remote, so that git connects only to what the policy allows. The machine's
 * git configuration may rewrite the address; the policy applies to the result too.
 */
export async function connectToRemote(remote: Remote, options: ConnectionOptions): Promise<RemoteConnection> {
  const text = remote.local ? remote.address : await readRewrittenAddress(remote, options);
  const address = parseAddress(text);
  requireAllowedAddress(address, options.policy);
  if (address.kind === "local") return createConnection({ ...options.environment, GIT_ALLOW_PROTOCOL: "file" });
  const { endpoint } = address;
  const context = { ...options, url: text, endpoint };
  if (endpoint.protocol === "ssh") {
    const command = await pinSshCommand({ ...context, command: options.environment["GIT_SSH_COMMAND"] ?? "ssh" });
    return createConnection({ ...options.environment, GIT_SSH_COMMAND: command, GIT_ALLOW_PROTOCOL: "ssh" });
  }
  const environment: Environment = { ...options.environment, GIT_ALLOW_PROTOCOL: "http:https" };
  if (await hasOwnProxy(text, endpoint, options)) {
    await checkBehindProxy(context);
    return createConnection(addGitConfig(environment, [["http.followRedirects", "false"]]));
  }
  const guard = await ConnectionGuard.open(context);
  // Git would bypass the guard for hosts that these variables name.
  const { no_proxy: _, NO_PROXY: __, ...guarded } = environment;
  return {
    environment: addGitConfig(guarded, guard.config),
    get failure() {
      return guard.failure;
    },
    [Symbol.dispose]: () => guard[Symbol.dispose](),
  };
}

const createConnection = (environment: Environment): RemoteConnection => ({
  environment,
  failure: undefined,
  [Symbol.dispose]: () => undefined,
});

/** Returns the address after the `url.….insteadOf` settings of the server's user. */
async function readRewrittenAddress(remote: Remote, options: ConnectionOptions): Promise<string> {
  const { args, isPush, environment, signal } = options;
  const command = isPush
    ? [...args, "-c", `remote.wharf.url=${remote.address}`, "remote", "get-url", "--push", "wharf"]
    : [...args, "ls-remote", "--get-url", "--", remote.address];
  const result = await runGit(command, { environment, signal });
  return (result.code === 0 && result.stdout.trim()) || remote.address;
}

const proxyVariables = {
  https: ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  http: ["http_proxy", "all_proxy", "ALL_PROXY"],
};

/** Returns whether the machine's own HTTP proxy connects to the host. */
async function hasOwnProxy(
  url: string,
  { protocol, name }: Endpoint,
  { environment, signal }: ConnectionOptions,
): Promise<boolean> {
  const configured = await runGit(["config", "--get-urlmatch", "http.proxy", url], { environment, signal });
  const proxy = proxyVariables[protocol === "http" ? "http" : "https"].map((variable) => environment[variable]);
  const exceptions = environment["no_proxy"] ?? environment["NO_PROXY"] ?? "";
  const isException = exceptions
    .split(/[\s,]+/)
    .map((one) => one.replace(/^\*?\./, "").toLowerCase())
    .some((one) => one === "*" || (one !== "" && (name === one || name.endsWith(`.${one}`))));
  if (isException) return false;
  return configured.code === 0 ? configured.stdout.trim() !== "" : proxy.some(Boolean);
}

/** The proxy resolves the name; a name that also resolves here must not lead into the network. */
async function checkBehindProxy(context: ConnectionOptions & { url: string; endpoint: Endpoint }): Promise<void> {
  const { url, endpoint, policy, signal } = context;
  const permission = findPermission(url, endpoint, policy);
  const found = await resolveHost(endpoint.name, context).catch(() => []);
  signal?.throwIfAborted();
  if (found.length > 0) requireAllowedAddresses(url, found, permission);
}
