import { lstat, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { git } from "../git/command.ts";
import { isSystemError } from "../support/files.ts";
import { CheckIgnore } from "./check-ignore.ts";

const maxTrackedBytes = 16 * 1024 * 1024; // of the list of tracked files that a rule names

/**
 * What git ignores in the workspace, by git's own rules: each .gitignore and .git/info/exclude, and that what is tracked
 * is never ignored. git is given a folder of the daemon for a repository, so that it works before there is a clone, and
 * nothing the agent configured has a say.
 */
export class GitIgnoreRules {
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

  /** Which of the paths are ignored. Whatever git fails at is not ignored. */
  async getIgnoredPaths(paths: readonly string[]): Promise<ReadonlySet<string>> {
    if (paths.length === 0) return new Set();
    this.#check ??= await this.#createCheck();
    const ignored = await this.#check.getIgnoredPaths(paths);
    if (ignored.size === 0) return ignored;
    const tracked = await this.#getTrackedPaths();
    return tracked.size === 0 ? ignored : ignored.difference(tracked);
  }

  /** Whether a rule changed that stands in no file of the tree. */
  async hasChanged(): Promise<boolean> {
    return (await getStamp(join(this.#workspace, ".git/info/exclude"))) !== this.#excludeStamp;
  }

  /** Rules are read anew at the next question. */
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

  /** Tracked files that a rule names, and the folders above them. */
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
