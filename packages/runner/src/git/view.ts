import { lstat, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError, replaceFile } from "../support/files.ts";
import { git } from "./command.ts";
import { excludeTemporary } from "./exclude.ts";

/**
 * The daemon's own view of the workspace's repository. Objects, refs, index and HEAD are the workspace's; configuration
 * and hooks are the daemon's: git takes what worktrees share from GIT_COMMON_DIR, and that is a folder of the daemon
 * with links to the workspace's objects and refs and a configuration of its own. So no filter, diff or merge driver,
 * textconv, hook, fsmonitor, remote, proxy or rewritten address that the agent configured is known here, and nothing is
 * won by changing the configuration while the daemon's git runs. Settings that decide how files and objects are read are
 * taken over by name and value.
 */

const LINKS = ["objects", "refs", "packed-refs", "logs", "shallow", "info"];
const CONFIGS = ["config", "config.worktree"];
const CONFIG_BYTES = 1024 * 1024;
const BOOLEAN = /^(true|false|yes|no|on|off|1|0)$/i;

const TAKEN_OVER: ReadonlyMap<string, RegExp> = new Map([
  ["core.repositoryformatversion", /^[01]$/],
  ["core.filemode", BOOLEAN],
  ["core.symlinks", BOOLEAN],
  ["core.ignorecase", BOOLEAN],
  ["core.precomposeunicode", BOOLEAN],
  ["core.autocrlf", /^(true|false|input)$/i],
  ["core.eol", /^(lf|crlf|native)$/i],
  ["core.sparsecheckout", BOOLEAN],
  ["core.sparsecheckoutcone", BOOLEAN],
  ["extensions.objectformat", /^(sha1|sha256)$/],
]);

export class GitView {
  readonly #folder: string;
  readonly #repository: string;
  readonly #workTree: string;
  #written: string | undefined;

  constructor({ workspace, state }: { workspace: string; state: string }) {
    this.#folder = join(state, "git-view");
    this.#repository = join(workspace, ".git");
    this.#workTree = workspace;
  }

  /** What makes git see the repository this way. */
  get environment(): Record<string, string> {
    return { GIT_DIR: this.#repository, GIT_COMMON_DIR: this.#folder, GIT_WORK_TREE: this.#workTree };
  }

  /** Brings the view in line with the repository; to be done before git is run with it. */
  async prepare(signal?: AbortSignal): Promise<void> {
    // Nothing in it but links and what is read below, so a damaged one is made again.
    if (this.#written === undefined) await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
    // git does not make the folder that a link leads to.
    await mkdir(join(this.#repository, "logs")).catch(ignore("EEXIST", "ENOENT", "ENOTDIR"));
    for (const name of LINKS)
      await symlink(join(this.#repository, name), join(this.#folder, name)).catch(ignore("EEXIST"));
    await excludeTemporary(this.#repository);
    const stamps = await Promise.all(CONFIGS.map((name) => stampOf(join(this.#repository, name))));
    const stamp = stamps.join(" ");
    if (stamp === this.#written) return;
    const settings = new Map([["core.logallrefupdates", "true"]]);
    for (const [index, name] of CONFIGS.entries()) {
      if (stamps[index] === undefined) continue;
      for (const [key, value] of await this.#read(join(this.#repository, name), signal)) {
        if (TAKEN_OVER.get(key)?.test(value)) settings.set(key, value);
      }
    }
    await replaceFile(join(this.#folder, "config"), configOf(settings));
    this.#written = stamp;
  }

  async #read(path: string, signal: AbortSignal | undefined): Promise<(readonly [string, string])[]> {
    const { stdout, code } = await git(["config", "--file", path, "--no-includes", "--null", "--list"], {
      cwd: this.#folder,
      // Configuration that cannot be read names nothing that is taken over.
      accept: [1, 3, 128, 255],
      timeoutMs: 5_000,
      maxOutputBytes: CONFIG_BYTES,
      signal,
    });
    return code === 0 ? stdout.split("\0").map(settingOf) : [];
  }
}

/** Changes whenever the file does; nothing where there is no plain file of a sensible size. */
async function stampOf(path: string): Promise<string | undefined> {
  const stats = await lstat(path, { bigint: true }).catch(ignore("ENOENT", "ENOTDIR"));
  if (!stats?.isFile() || stats.size > CONFIG_BYTES) return undefined;
  return `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

function settingOf(entry: string): readonly [string, string] {
  const [key = "", ...value] = entry.split("\n");
  return [key.toLowerCase(), value.length === 0 ? "true" : value.join("\n")];
}

function configOf(settings: ReadonlyMap<string, string>): string {
  const lines = [...settings].map(
    ([key, value]) => `[${key.replace(/\.[^.]*$/, "")}]\n\t${key.split(".").at(-1)} = ${value}\n`,
  );
  return `${lines.join("")}[core]\n\tbare = false\n`;
}

const ignore =
  (...codes: string[]) =>
  (error: unknown): undefined => {
    if (!isSystemError(error, ...codes)) throw error;
    return undefined;
  };
