import { type Stats } from "node:fs";
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WharfError } from "@wharf/contract";
import type { CredentialSources, CredentialUse, HostCredential } from "../shared/host-credential.ts";
import { inside } from "../shared/inside.ts";
import { type ReadOnlyPart, user } from "./container-request.ts";

interface CredentialFile {
  readonly path: string;
  readonly mode: number;
}

/** Beneath the home folder. Nothing else in it is looked at. */
const files: Record<Exclude<HostCredential, "ssh-agent">, readonly CredentialFile[]> = {
  gitconfig: [{ path: ".gitconfig", mode: 0o644 }],
  "git-credentials": [{ path: ".git-credentials", mode: 0o600 }],
  ssh: [
    { path: ".ssh/id_rsa", mode: 0o600 },
    { path: ".ssh/id_ed25519", mode: 0o600 },
    { path: ".ssh/known_hosts", mode: 0o644 },
  ],
};
const largest = 1024 ** 2; // bytes
const agentSocket = "/run/ssh-agent.sock";

/** What a container is made with, so that its runner has what it may have. */
export interface Credentials extends ReadOnlyPart {
  readonly use: CredentialUse;
}

const none: Credentials = { mounts: [], environment: {}, use: { given: [], missing: [] } };

/**
 * The credentials of this machine that runners are given: copies, made each time a runner is started and removed when it
 * stops, in a folder for each runner that only the runner's user may look into. The originals are never mounted, so their
 * modes need not suit the runner's user, and what is changed meanwhile does not reach into a runner.
 */
export class HostCredentials {
  readonly #folder: string;
  readonly #sources: CredentialSources | undefined;

  constructor(folder: string, sources: CredentialSources | undefined) {
    this.#folder = folder;
    this.#sources = sources;
  }

  /** Copies what is asked for and tells of it before anybody gets it: where that fails, nobody does. */
  async lend(
    id: string,
    asked: readonly HostCredential[],
    onUse: ((use: CredentialUse) => Promise<void>) | undefined,
  ): Promise<Credentials> {
    await this.remove(id);
    if (asked.length === 0) return none;
    try {
      const lent = await this.#copy(id, asked);
      await onUse?.(lent.use);
      return lent;
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.#folderOf(id), { recursive: true, force: true });
  }

  async #copy(id: string, asked: readonly HostCredential[]): Promise<Credentials> {
    const sources = this.#sources;
    if (!sources) throw new WharfError("config_invalid", { name: setting, reason: "this server gives none away" });
    const given: string[] = [];
    const missing: string[] = [];
    const mounts = new Map<string, string>();
    const environment: Record<string, string> = {};
    const folder = this.#folderOf(id);
    await makePrivate(folder);
    for (const one of asked) {
      if (one === "ssh-agent") {
        const lack = await agentLack(sources.sshAgent);
        if (lack === undefined) given.push("the ssh agent");
        else missing.push(`the ssh agent (${lack})`);
        if (lack !== undefined || sources.sshAgent === undefined) continue;
        mounts.set(agentSocket, sources.sshAgent);
        environment["SSH_AUTH_SOCK"] = agentSocket;
        continue;
      }
      for (const { path, mode } of files[one]) {
        const lack = await copyFile(join(sources.home, path), { to: join(folder, path), mode });
        if (lack !== undefined) {
          missing.push(`~/${path} (${lack})`);
          continue;
        }
        given.push(`~/${path}`);
        // A folder is mounted whole: what would have to be made for its files would belong to root.
        const mounted = dirname(path) === "." ? path : dirname(path);
        mounts.set(join(inside.home, mounted), join(folder, mounted));
      }
    }
    return {
      mounts: [...mounts].map(([target, source]) => ({ source, target })),
      environment,
      use: { given, missing },
    };
  }

  /** No runner's id has a dot in it. */
  #folderOf(id: string): string {
    return join(this.#folder, `${id}.credentials`);
  }
}

const setting = "WHARF_HOST_CREDENTIALS";

/** What stands in the way of giving anybody anything, found out when the server starts. */
export function requireLendable({
  sharesMachine,
  remapsUsers,
}: {
  sharesMachine: boolean;
  remapsUsers: boolean;
}): void {
  const refuse = (reason: string) => new WharfError("config_invalid", { name: setting, reason });
  if (!sharesMachine)
    throw refuse("the engine is not on this machine, so its runners cannot be given anything of it; leave it empty");
  if (remapsUsers) throw refuse("the engine gives its containers users of their own, who may not read your files");
  const server = process.getuid?.();
  if (server !== 0 && server !== user)
    throw refuse(
      `runners are user ${user}, and a server that is user ${server} cannot give a file to them; run it as ${user}`,
    );
}

/** Why it could not be copied, or nothing. */
async function copyFile(from: string, { to, mode }: { to: string; mode: number }): Promise<string | undefined> {
  let content: Buffer;
  try {
    const found = await stat(from);
    if (!found.isFile()) return "it is no file";
    if (found.size > largest) return "it is too large";
    content = await readFile(from);
  } catch (error) {
    return lackOf(error);
  }
  await makePrivate(dirname(to));
  await writeFile(to, content, { mode: 0o600, flag: "wx" });
  await giveToRunner(to, mode);
  return undefined;
}

/** An agent answers nobody but its own user, whatever its socket's mode. */
async function agentLack(socket: string | undefined): Promise<string | undefined> {
  if (socket === undefined) return "SSH_AUTH_SOCK is not set";
  let found: Stats;
  try {
    found = await stat(socket);
  } catch (error) {
    return lackOf(error);
  }
  if (!found.isSocket()) return "SSH_AUTH_SOCK names no socket";
  if (found.uid !== user) return `it is user ${found.uid}'s and answers nobody else; runners are user ${user}`;
  return undefined;
}

async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await giveToRunner(folder, 0o700);
}

async function giveToRunner(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
  await chown(path, user, user);
}

const lackOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return "not there";
  return `it cannot be read: ${String(code ?? error)}`;
};
