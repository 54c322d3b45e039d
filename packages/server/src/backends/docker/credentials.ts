import { type Stats } from "node:fs";
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WharfError } from "@wharf/contract";
import { getErrorCode } from "../../std/errors.ts";
import { containerPaths } from "../shared/container-paths.ts";
import type { CredentialSources, CredentialUse, HostCredential } from "../shared/host-credential.ts";
import { type ReadOnlyMounts, runnerUserId } from "./container-request.ts";

interface CredentialFile {
  readonly path: string;
  readonly mode: number;
}

/** Paths are relative to the home folder. Wharf reads nothing else in it. */
const files: Record<Exclude<HostCredential, "ssh-agent">, readonly CredentialFile[]> = {
  gitconfig: [{ path: ".gitconfig", mode: 0o644 }],
  "git-credentials": [{ path: ".git-credentials", mode: 0o600 }],
  ssh: [
    { path: ".ssh/id_rsa", mode: 0o600 },
    { path: ".ssh/id_ed25519", mode: 0o600 },
    { path: ".ssh/known_hosts", mode: 0o644 },
  ],
};
const maxFileBytes = 1024 ** 2;
const agentSocket = "/run/ssh-agent.sock";

/** These mounts and variables give a container the credentials that its runner may have. */
export interface CredentialMounts extends ReadOnlyMounts {
  readonly use: CredentialUse;
}

const noCredentials: CredentialMounts = { mounts: [], environment: {}, use: { given: [], missing: [] } };

/**
 * Manages the credentials of this machine that runners receive. They are copies, which Wharf
 * creates at each start of a runner and removes when it stops, in a folder per runner that only the
 * runner's user can read. Wharf never mounts the originals, so their modes need not suit the
 * runner's user, and later changes to them do not reach a runner.
 */
export class HostCredentials {
  readonly #folder: string;
  readonly #sources: CredentialSources | undefined;

  constructor(folder: string, sources: CredentialSources | undefined) {
    this.#folder = folder;
    this.#sources = sources;
  }

  /**
   * Copies the requested credentials and reports their use before the runner gets them: if the
   * report fails, the runner gets none.
   */
  async provide(
    id: string,
    requested: readonly HostCredential[],
    onUse: ((use: CredentialUse) => Promise<void>) | undefined,
  ): Promise<CredentialMounts> {
    await this.remove(id);
    if (requested.length === 0) return noCredentials;
    try {
      const mounts = await this.#copyCredentials(id, requested);
      await onUse?.(mounts.use);
      return mounts;
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.#getFolder(id), { recursive: true, force: true });
  }

  async #copyCredentials(id: string, requested: readonly HostCredential[]): Promise<CredentialMounts> {
    const sources = this.#sources;
    if (!sources)
      throw new WharfError("config_invalid", { name: settingName, reason: "this server does not share credentials" });
    const provided: string[] = [];
    const unavailable: string[] = [];
    const mounts = new Map<string, string>();
    const environment: Record<string, string> = {};
    const folder = this.#getFolder(id);
    await createPrivateFolder(folder);
    for (const one of requested) {
      if (one === "ssh-agent") {
        const problem = await getAgentProblem(sources.sshAgent);
        if (problem === undefined) provided.push("the ssh agent");
        else unavailable.push(`the ssh agent (${problem})`);
        if (problem !== undefined || sources.sshAgent === undefined) continue;
        mounts.set(agentSocket, sources.sshAgent);
        environment["SSH_AUTH_SOCK"] = agentSocket;
        continue;
      }
      for (const { path, mode } of files[one]) {
        const problem = await copyFile(join(sources.home, path), { destination: join(folder, path), mode });
        if (problem !== undefined) {
          unavailable.push(`~/${path} (${problem})`);
          continue;
        }
        provided.push(`~/${path}`);
        // Mount the whole folder: the engine would create the parents of single files as root.
        const mounted = dirname(path) === "." ? path : dirname(path);
        mounts.set(join(containerPaths.home, mounted), join(folder, mounted));
      }
    }
    return {
      mounts: [...mounts].map(([target, source]) => ({ source, target })),
      environment,
      use: { given: provided, missing: unavailable },
    };
  }

  /** Runner ids contain no dot, so this name cannot collide with another runner's folder. */
  #getFolder(id: string): string {
    return join(this.#folder, `${id}.credentials`);
  }
}

const settingName = "WHARF_HOST_CREDENTIALS";

/** Checks at the server's start that nothing prevents giving credentials to runners. */
export function requireCredentialSupport({
  sharesMachine,
  remapsUsers,
}: {
  sharesMachine: boolean;
  remapsUsers: boolean;
}): void {
  const createConfigError = (reason: string) => new WharfError("config_invalid", { name: settingName, reason });
  if (!sharesMachine)
    throw createConfigError(
      "the engine is not on this machine, so its runners cannot use this machine's credentials; leave the setting empty",
    );
  if (remapsUsers) throw createConfigError("the engine remaps its containers' users, which may not read your files");
  const server = process.getuid?.();
  if (server !== 0 && server !== runnerUserId)
    throw createConfigError(
      `runners run as user ${runnerUserId}, and a server that runs as user ${server} cannot give them files; run it as ${runnerUserId}`,
    );
}

/** Returns why the file could not be copied, or undefined. */
async function copyFile(
  source: string,
  { destination, mode }: { destination: string; mode: number },
): Promise<string | undefined> {
  let content: Buffer;
  try {
    const stats = await stat(source);
    if (!stats.isFile()) return "not a file";
    if (stats.size > maxFileBytes) return "it is too large";
    content = await readFile(source);
  } catch (error) {
    return formatReadError(error);
  }
  await createPrivateFolder(dirname(destination));
  await writeFile(destination, content, { mode: 0o600, flag: "wx" });
  await setRunnerOwner(destination, mode);
  return undefined;
}

/** An agent answers only its own user, regardless of its socket's mode. */
async function getAgentProblem(socket: string | undefined): Promise<string | undefined> {
  if (socket === undefined) return "SSH_AUTH_SOCK is not set";
  let stats: Stats;
  try {
    stats = await stat(socket);
  } catch (error) {
    return formatReadError(error);
  }
  if (!stats.isSocket()) return "SSH_AUTH_SOCK is not a socket";
  if (stats.uid !== runnerUserId)
    return `it answers only its owner, user ${stats.uid}, and runners are user ${runnerUserId}`;
  return undefined;
}

async function createPrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await setRunnerOwner(folder, 0o700);
}

async function setRunnerOwner(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
  await chown(path, runnerUserId, runnerUserId);
}

const formatReadError = (error: unknown): string => {
  const code = getErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return "missing";
  return `it cannot be read: ${String(code ?? error)}`;
};
