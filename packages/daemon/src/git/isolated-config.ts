import { lstat, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { ignoreSystemErrors, replaceFile } from "../file-system/files.ts";
import { git } from "./command.ts";
import { excludeTemporaryFiles } from "./exclude-temporary-files.ts";

/**
 * The daemon uses its own view of the workspace's repository. Objects, refs, index and HEAD are the
 * workspace's; configuration and hooks are the daemon's. git takes the parts that worktrees share
 * from GIT_COMMON_DIR, which is a folder of the daemon with links to the workspace's objects and
 * refs and a separate configuration. So the view contains no filter, diff or merge driver,
 * textconv, hook, fsmonitor, remote, proxy or rewritten address that the agent configured, and
 * changing the configuration while the daemon's git runs achieves nothing. Settings that decide how
 * files and objects are read are copied by name and value.
 */

const linkedPaths = ["objects", "refs", "packed-refs", "logs", "shallow", "info"];
const configFiles = ["config", "config.worktree"];
const maxConfigBytes = 1024 * 1024;
const booleanPattern = /^(true|false|yes|no|on|off|1|0)$/i;

const inheritedSettings: ReadonlyMap<string, RegExp> = new Map([
  ["core.repositoryformatversion", /^[01]$/],
  ["core.filemode", booleanPattern],
  ["core.symlinks", booleanPattern],
  ["core.ignorecase", booleanPattern],
  ["core.precomposeunicode", booleanPattern],
  ["core.autocrlf", /^(true|false|input)$/i],
  ["core.eol", /^(lf|crlf|native)$/i],
  ["core.sparsecheckout", booleanPattern],
  ["core.sparsecheckoutcone", booleanPattern],
  ["extensions.objectformat", /^(sha1|sha256)$/],
]);

export class IsolatedConfig {
  readonly #folder: string;
  readonly #repository: string;
  readonly #workTree: string;
  #writtenStamp: string | undefined;

  constructor({ workspace, state }: { workspace: string; state: string }) {
    this.#folder = join(state, "git-view");
    this.#repository = join(workspace, ".git");
    this.#workTree = workspace;
  }

  /** Returns the variables that make git use the view. */
  get environment(): Record<string, string> {
    return { GIT_DIR: this.#repository, GIT_COMMON_DIR: this.#folder, GIT_WORK_TREE: this.#workTree };
  }

  /** Updates the view from the repository; required before git runs with it. */
  async prepare(signal?: AbortSignal): Promise<void> {
    // The folder contains only links and copied settings, so a damaged one is recreated.
    if (this.#writtenStamp === undefined) await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
    // git does not create the target folder of a link.
    await mkdir(join(this.#repository, "logs")).catch(ignoreSystemErrors("EEXIST", "ENOENT", "ENOTDIR"));
    for (const name of linkedPaths)
      await symlink(join(this.#repository, name), join(this.#folder, name)).catch(ignoreSystemErrors("EEXIST"));
    await excludeTemporaryFiles(this.#repository);
    const stamps = await Promise.all(configFiles.map((name) => getFileStamp(join(this.#repository, name))));
    const stamp = stamps.join(" ");
    if (stamp === this.#writtenStamp) return;
    const settings = new Map([["core.logallrefupdates", "true"]]);
    for (const [index, name] of configFiles.entries()) {
      if (stamps[index] === undefined) continue;
      for (const [key, value] of await this.#readSettings(join(this.#repository, name), signal)) {
        if (inheritedSettings.get(key)?.test(value)) settings.set(key, value);
      }
    }
    await replaceFile(join(this.#folder, "config"), formatConfig(settings));
    this.#writtenStamp = stamp;
  }

  async #readSettings(path: string, signal: AbortSignal | undefined): Promise<(readonly [string, string])[]> {
    const { stdout, code } = await git(["config", "--file", path, "--no-includes", "--null", "--list"], {
      cwd: this.#folder,
      // Unreadable configuration yields no settings to copy.
      accept: [1, 3, 128, 255],
      timeoutMs: 5_000,
      maxOutputBytes: maxConfigBytes,
      signal,
    });
    return code === 0 ? stdout.split("\0").map(parseSetting) : [];
  }
}

/**
 * Returns a stamp that changes with the file, or undefined without a plain file of reasonable size.
 */
async function getFileStamp(path: string): Promise<string | undefined> {
  const stats = await lstat(path, { bigint: true }).catch(ignoreSystemErrors("ENOENT", "ENOTDIR"));
  if (!stats?.isFile() || stats.size > maxConfigBytes) return undefined;
  return `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

function parseSetting(entry: string): readonly [string, string] {
  const [key = "", ...value] = entry.split("\n");
  return [key.toLowerCase(), value.length === 0 ? "true" : value.join("\n")];
}

function formatConfig(settings: ReadonlyMap<string, string>): string {
  const lines = [...settings].map(
    ([key, value]) => `[${key.replace(/\.[^.]*$/, "")}]\n\t${key.split(".").at(-1)} = ${value}\n`,
  );
  return `${lines.join("")}[core]\n\tbare = false\n`;
}
