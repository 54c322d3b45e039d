import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { sampleFiles } from "@wharf/agent/sample";

/** Describes a branch of the sample after the demo. */
export interface Branch {
  readonly name: string;
  readonly sha: string;
}

const author = {
  GIT_AUTHOR_NAME: "Sample",
  GIT_AUTHOR_EMAIL: "sample@localhost",
  GIT_COMMITTER_NAME: "Sample",
  GIT_COMMITTER_EMAIL: "sample@localhost",
};

/** Creates a small git repository with a failing test, like a user's own. */
export class SampleRepository {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async create(): Promise<void> {
    for (const [path, content] of Object.entries(sampleFiles)) {
      const file = join(this.folder, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    await this.#runGit("init", "--quiet", "--initial-branch=main");
    await this.#runGit("add", "--all");
    await this.#runGit("commit", "--quiet", "--message=A small library for durations");
  }

  async getBranch(name: string): Promise<Branch | undefined> {
    const sha = await this.#runGit("rev-parse", "--quiet", "--verify", `refs/heads/${name}^{commit}`).catch(() => "");
    return sha === "" ? undefined : { name, sha };
  }

  getPatch(branch: Branch): Promise<string> {
    return this.#runGit("diff", "--no-ext-diff", "--no-color", `main...${branch.name}`);
  }

  /** Checks out a branch's files into a separate folder until disposal. */
  async checkOut(branch: Branch): Promise<AsyncDisposable & { readonly folder: string }> {
    const folder = `${this.folder}-on-branch`;
    await this.#runGit("worktree", "add", "--quiet", "--detach", folder, branch.sha);
    return {
      folder,
      [Symbol.asyncDispose]: async () => {
        await rm(folder, { recursive: true, force: true });
        await this.#runGit("worktree", "prune");
      },
    };
  }

  /**
   * The user's own git settings are left out: hooks, signing and the like could make the demo fail.
   */
  async #runGit(...args: string[]): Promise<string> {
    const environment = {
      PATH: process.env.PATH,
      HOME: this.folder,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      ...author,
    };
    const { stdout } = await promisify(execFile)("git", args, { cwd: this.folder, env: environment });
    return stdout.trimEnd();
  }
}
