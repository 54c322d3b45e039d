import { lstat, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSystemError } from "../file-system/files.ts";
import { git } from "../git/command.ts";
import { CheckIgnore } from "./check-ignore.ts";

// The list of tracked files that a rule names is limited to this size.
const maxTrackedBytes = 16 * 1024 * 1024;

/**
 * Finds the paths that git ignores in the workspace, by git's own rules: each .gitignore and
 * .git/info/exclude apply, and tracked files are never ignored. git uses a folder of the daemon as
 * its repository, so that this works before the clone, and without the agent's configuration.
 */
export class GitIgnoredPaths {
  readonly #workspace: string;
  readonly #environment: Record<string, string>;
  readonly #repository: string;
  #check: CheckIgnore | undefined;
  #tracked: { readonly stamp: string; readonly paths: ReadonlySet<string> } | undefined;
  #excludeStamp = "";

  constructor({ workspace, state }: { workspace: string; state: string }) {
    this.#workspace = workspace;
    this.#repository = join(state, "git-watch");
    this.#environment = { GIT_DIR: this.#repository, GIT_WORK_TREE: workspace };
  }

  /** Returns the ignored paths. A path that git fails on is not ignored. */
  async getIgnoredPaths(paths: readonly string[]): Promise<ReadonlySet<string>> {
    if (paths.length === 0) return new Set();
    this.#check ??= await this.#createCheck();
    const ignored = await this.#check.getIgnoredPaths(paths);
    if (ignored.size === 0) return ignored;
    const tracked = await this.#getTrackedPaths();
    return tracked.size === 0 ? ignored : ignored.difference(tracked);
  }

  /** Reports whether a rule outside of the tree's files has changed. */
  async hasChanged(): Promise<boolean> {
    return (await getStamp(join(this.#workspace, ".git/info/exclude"))) !== this.#excludeStamp;
  }

  /** Discards the rules, so that the next request reads them again. */
  reset(): void {
    this.#check?.close();
    this.#check = undefined;
    this.#tracked = undefined;
  }

  async #createCheck(): Promise<CheckIgnore> {
    for (const folder of ["objects", "refs"]) await mkdir(join(this.#repository, folder), { recursive: true });
    await writeFile(join(this.#repository, "HEAD"), "ref: refs/heads/none\n");
    await symlink(join(this.#workspace, ".git/info"), join(this.#repository, "info")).catch((error: unknown) => {
      if (!isSystemError(error, "EEXIST")) throw error;
    });
    this.#excludeStamp = await getStamp(join(this.#workspace, ".git/info/exclude"));
    return new CheckIgnore({ cwd: this.#workspace, environment: this.#environment });
  }

  /** Returns the tracked files that a rule names, and their parent folders. */
  async #getTrackedPaths(): Promise<ReadonlySet<string>> {
    const index = join(this.#workspace, ".git/index");
    const stamp = await getStamp(index);
    if (this.#tracked?.stamp === stamp) return this.#tracked.paths;
    const paths = new Set<string>();
    if (stamp !== "") {
      const { stdout } = await git(["ls-files", "-z", "--cached", "--ignored", "--exclude-standard"], {
        cwd: this.#workspace,
        environment: { ...this.#environment, GIT_INDEX_FILE: index },
        accept: [1, 128],
        maxOutputBytes: maxTrackedBytes,
      });
      for (const path of stdout.split("\0").slice(0, -1))
        for (let part = path; part !== "." && !paths.has(part); part = dirname(part)) paths.add(part);
    }
    this.#tracked = { stamp, paths };
    return paths;
  }
}

async function getStamp(path: string): Promise<string> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() ? `${stats.ino}:${stats.size}:${stats.mtimeNs}` : "";
}
