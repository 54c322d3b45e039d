import { createPrivateKey } from "node:crypto";
import { access, constants, readFile, stat } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import {
  createCommandEnvironment,
  createSecretSource,
  describeSecretProblem,
  type OnSecret,
  parsePassword,
  reportSecret,
  Secret,
  type SecretEntry,
  type SecretReport,
  toSecretPlace,
} from "../../secrets/index.ts";
import {
  CredentialEntries,
  type CredentialEntry,
  type CredentialUse,
  describeEntry,
  selectEntry,
} from "./credential-entry.ts";
import { requestInstallationToken } from "./github-app.ts";
import { type ExpiringLogin, LoginCache } from "./login-cache.ts";
import { readLoginFromCommand } from "./login-command.ts";
import type { Login } from "./login.ts";

export interface CredentialOptions {
  /** The file of entries; without it there are none. */
  readonly file: string | undefined;
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called with each password or token that was read, which must not leave the server. */
  readonly onPassword?: OnSecret;
  /** Called when an operation gets the login of an entry, which the first argument describes. */
  readonly onUse?: (entry: string, use: CredentialUse) => void;
}

/** How long a login from a program is used before the program runs again. */
const rereadMs = 60_000;

/**
 * The logins for git hosts. The file of entries says where each secret is; secrets are read when
 * they are needed, and stay in this process and in the git commands that use them. The file is read
 * again for every command, so that a change needs no new start.
 */
export class GitCredentials {
  readonly #options: CredentialOptions;
  readonly #cache = new LoginCache();
  /** By the entry that names the token. */
  readonly #tokens = new Map<string, Secret>();

  constructor(options: CredentialOptions) {
    this.#options = options;
  }

  /** Throws if the file of entries cannot be read or is invalid. */
  async requireValidFile(): Promise<void> {
    await readEntries(this.#options.file);
  }

  /** Returns the entry for a repository; without one, git uses the logins of the server's user. */
  async find(use: CredentialUse): Promise<CredentialEntry | undefined> {
    const entry = selectEntry(await readEntries(this.#options.file), use);
    if (entry) this.#options.onUse?.(describeEntry(entry), use);
    return entry;
  }

  async getLogin(entry: CredentialEntry, use: CredentialUse): Promise<Login> {
    if (entry.token) return createTokenLogin(entry, await this.#getToken(entry, entry.token).get());
    try {
      return await this.#cache.get(getKey(entry, use), async () => {
        const requested = await this.#requestLogin(entry, use);
        this.#options.onPassword?.(`login for ${describeEntry(entry)}`, requested.login.password);
        return requested;
      });
    } catch (error) {
      throw createUnusableError(entry, error);
    }
  }

  /** Returns another login after the host refused one; undefined if there is none. */
  async renewLogin(entry: CredentialEntry, use: CredentialUse, refused: Login): Promise<Login | undefined> {
    if (entry.token) {
      const password = await this.#getToken(entry, entry.token).renew(refused.password);
      return password === undefined ? undefined : createTokenLogin(entry, password);
    }
    await this.#cache.drop(getKey(entry, use), refused);
    const login = await this.getLogin(entry, use);
    return login.password === refused.password ? undefined : login;
  }

  #getToken(entry: CredentialEntry, token: SecretEntry): Secret {
    const name = describeEntry(entry);
    const key = JSON.stringify([name, token]);
    const existingToken = this.#tokens.get(key);
    if (existingToken) return existingToken;
    const secret = new Secret(toSecretPlace(token, this.#options.environment), {
      name: `login for ${name}`,
      createError: (error) => createUnusableError(entry, error),
      onValue: this.#options.onPassword,
      parse: parsePassword,
    });
    this.#tokens.set(key, secret);
    return secret;
  }

  /** Callers share the request, so it has its own deadline and no caller's signal. */
  async #requestLogin(entry: CredentialEntry, use: CredentialUse): Promise<ExpiringLogin> {
    const renewAt = Date.now() + rereadMs;
    if (entry.github_app) return requestInstallationToken(entry.github_app, use.path);
    if (entry.command) {
      const environment = createCommandEnvironment(this.#options.environment, entry.environment);
      return { login: await readLoginFromCommand(entry.command, use, environment), renewAt };
    }
    throw new Error("it has no login");
  }
}

/** Logins of different repositories or entries are different. */
const getKey = (entry: CredentialEntry, { endpoint, path }: CredentialUse): string =>
  JSON.stringify([entry, endpoint, path]);

const createTokenLogin = ({ host, username }: CredentialEntry, password: string): Login => ({
  username: username ?? (host.includes("gitlab") ? "oauth2" : "x-access-token"),
  password,
});

const createUnusableError = (entry: CredentialEntry, cause: unknown): WharfError =>
  new WharfError(
    "git_credential_unusable",
    { entry: describeEntry(entry), reason: describeSecretProblem(getPlace(entry), cause).slice(0, 300) },
    { cause },
  );

const createFileError = (reason: string, cause?: unknown): WharfError =>
  new WharfError("config_invalid", { name: "WHARF_GIT_CREDENTIALS", reason }, { cause });

async function readEntries(file: string | undefined): Promise<readonly CredentialEntry[]> {
  if (file === undefined) return [];
  let text: string;
  try {
    // Entries name programs that the server starts.
    if (((await stat(file)).mode & 0o022) !== 0) throw createFileError(`other users may change ${file}; chmod go-w it`);
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof WharfError) throw error;
    throw createFileError(`${file} cannot be read`, error);
  }
  const parsed = CredentialEntries.safeParse(parseJson(file, text));
  if (parsed.success) return parsed.data.credentials;
  const issue = parsed.error.issues[0];
  throw createFileError(`${file}: ${issue?.path.join(".") || "the file"}: ${issue?.message ?? "invalid"}`);
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw createFileError(`${file} is not JSON`);
  }
}

/** Checks whether the secret of each entry can be read, without contacting a git host. */
export async function checkGitCredentials(options: CredentialOptions): Promise<SecretReport[]> {
  const entries = await readEntries(options.file);
  return Promise.all(
    entries.map((entry) => reportSecret(describeEntry(entry), getPlace(entry), checkEntry(entry, options))),
  );
}

const getPlace = ({ token, command }: CredentialEntry): SecretEntry | undefined => token ?? (command && { command });

async function checkEntry(entry: CredentialEntry, { environment }: CredentialOptions): Promise<void> {
  if (entry.token) await createSecretSource(toSecretPlace(entry.token, environment), parsePassword).get();
  if (entry.github_app) createPrivateKey(await readFile(entry.github_app.private_key_file));
  if (entry.ssh?.key_file) await readFile(entry.ssh.key_file);
  if (entry.ssh && !entry.ssh.key_file && environment["SSH_AUTH_SOCK"] === undefined)
    throw new Error("there is no ssh agent: SSH_AUTH_SOCK is not set");
  if (entry.ssh) await readFile(entry.ssh.known_hosts_file);
  const program = entry.command?.[0];
  if (program?.includes("/")) await access(program, constants.X_OK);
}
