import { git, type GitOptions } from "./command.ts";

/** The git checkout and what the daemon's git needs to know of its surroundings. */
export interface Workspace {
  readonly folder: string;
  readonly state: string;
  /** The remote's address for a path on the gateway. */
  remoteUrl(path: string): string;
  /** How git is run here. */
  options(more?: Partial<GitOptions>): GitOptions;
}

export async function headOf(workspace: Workspace): Promise<string> {
  const { stdout } = await git(["rev-parse", "--verify", "HEAD^{commit}"], workspace.options());
  return stdout.trim();
}

export async function isAncestor(workspace: Workspace, older: string, newer: string): Promise<boolean> {
  const { code } = await git(["merge-base", "--is-ancestor", older, newer], workspace.options({ accept: [1] }));
  return code === 0;
}

/** Lines added and removed by file, from `--numstat -z`; binary files count none. */
export function parseNumstat(text: string): { path: string; additions: number; deletions: number }[] {
  return text
    .split("\0")
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [additions = "", deletions = "", ...path] = entry.split("\t");
      return {
        path: path.join("\t"),
        additions: Number.parseInt(additions, 10) || 0,
        deletions: Number.parseInt(deletions, 10) || 0,
      };
    });
}
