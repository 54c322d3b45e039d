import type { WharfError } from "@wharf/contract";
import { waitUnlessAborted } from "../../std/abort.ts";
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
import {
  createSshCommand,
  describeEntry,
  getLoginSettings,
  getLoginVariables,
  type GitCredentials,
  type Login,
} from "./credentials/index.ts";
import { addGitConfig, sshOptions, withoutUserLogins } from "./environment.ts";
import type { Remote } from "./remote.ts";
import { runGit } from "./run-git.ts";
import { pinSshCommand } from "./ssh-connection.ts";

type Environment = Readonly<Record<string, string>>;

/** The environment in which one git command reaches its remote. */
export interface RemoteConnection extends Disposable {
  readonly environment: Environment;
  /** The entry with which git logs in, unless it uses the logins of the server's user. */
  readonly credential?: Credential | undefined;
  /** The reason why the remote was not reached, if Wharf knows it better than git. */
  readonly failure: WharfError | undefined;
}

/** A chosen entry. */
export interface Credential {
  /** The entry's name, for people. */
  readonly name: string;
  /** Missing for ssh, whose keys stay with ssh. */
  readonly login?: Login;
  /** Forgets a login that the host refused; resolves with whether there is another one. */
  renew(): Promise<boolean>;
}

export interface ConnectionOptions {
  readonly policy: AddressPolicy;
  readonly credentials: GitCredentials;
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
  const login = await findLogin(remote, options);
  const { credential } = login;
  const text = remote.local ? remote.address : await readRewrittenAddress(remote, { ...options, ...login });
  const address = parseAddress(text);
  requireAllowedAddress(address, options.policy);
  if (address.kind === "local") return createConnection({ ...login.environment, GIT_ALLOW_PROTOCOL: "file" });
  const { endpoint } = address;
  const context = { ...options, environment: login.environment, url: text, endpoint };
  if (endpoint.protocol === "ssh") {
    const command = await pinSshCommand({ ...context, command: login.environment["GIT_SSH_COMMAND"] ?? "ssh" });
    return createConnection({ ...login.environment, GIT_SSH_COMMAND: command, GIT_ALLOW_PROTOCOL: "ssh" }, credential);
  }
  const environment: Environment = { ...login.environment, GIT_ALLOW_PROTOCOL: "http:https" };
  if (await hasOwnProxy(text, endpoint, context)) {
    await checkBehindProxy(context);
    return createConnection(addGitConfig(environment, [["http.followRedirects", "false"]]), credential);
  }
  const guard = await ConnectionGuard.open(context);
  // Git would bypass the guard for hosts that these variables name.
  const { no_proxy: _, NO_PROXY: __, ...guarded } = environment;
  return {
    environment: addGitConfig(guarded, guard.config),
    credential,
    get failure() {
      return guard.failure;
    },
    [Symbol.dispose]: () => guard[Symbol.dispose](),
  };
}

const createConnection = (environment: Environment, credential?: Credential): RemoteConnection => ({
  environment,
  credential,
  failure: undefined,
  [Symbol.dispose]: () => undefined,
});

interface ChosenLogin {
  readonly environment: Environment;
  readonly credential?: Credential;
}

/**
 * Returns the environment with the login of the remote's entry, if there is one. The address that
 * the task names decides; git offers the login to no other host, should the address be rewritten.
 */
async function findLogin(remote: Remote, options: ConnectionOptions): Promise<ChosenLogin> {
  const { credentials, signal } = options;
  const { endpoint, organizationId } = remote;
  const address = parseAddress(remote.address);
  if (!endpoint || address.kind === "local") return { environment: options.environment };
  const use = { endpoint, path: address.path, organizationId };
  const entry = await credentials.find(use);
  if (!entry) return { environment: options.environment };
  const environment = withoutUserLogins(options.environment);
  const name = describeEntry(entry);
  if (entry.ssh) {
    const command = createSshCommand(entry.ssh, sshOptions);
    return {
      environment: { ...environment, GIT_SSH_COMMAND: command },
      credential: { name, renew: async () => false },
    };
  }
  const login = await waitUnlessAborted(credentials.getLogin(entry, use), signal);
  const renew = async () => (await waitUnlessAborted(credentials.renewLogin(entry, use, login), signal)) !== undefined;
  return {
    environment: { ...addGitConfig(environment, getLoginSettings(endpoint)), ...getLoginVariables(login) },
    credential: { name, login, renew },
  };
}

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
