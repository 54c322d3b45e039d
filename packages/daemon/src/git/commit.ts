import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { AgentPrompt, EventDataByKind } from "@wharf/contract";
import { parseNumstat } from "@wharf/contract/git-output";
import type { z } from "zod";
import { writeCheckout, type Checkout } from "./checkout-state.ts";
import { git } from "./command.ts";
import { getHeadCommit, isAncestor } from "./revisions.ts";
import { stageAll, type StageResult } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Committing a turn's changes puts them on the shadow branch, regardless of what the agent did with
 * git, and the branch only ever grows: reported (and perhaps pushed) commits stay ancestors.
 *
 * - The agent stayed on the shadow branch: a commit on it.
 * - The agent continued from the shadow branch, detached or on another branch: the shadow branch
 *   moves to that commit.
 * - The agent moved elsewhere (an older commit, another branch) and made nothing new there: back
 *   to the shadow branch.
 * - The agent made something new elsewhere: those commits are merged into the shadow branch.
 *   Where both changed the same lines the agent's side wins, and if even that fails its tree is
 *   used as is.
 * - The agent rewrote reported commits (amend, reset, rebase): a commit joins both histories,
 *   with the tree the agent left.
 */

export type CommitInput = z.infer<typeof AgentPrompt>["commit"];

const wharfIdentity = { name: "Wharf", email: "wharf@localhost" };

export async function commit(workspace: Workspace, checkout: Checkout, input: CommitInput): Promise<Committed> {
  const work = new Committer(workspace, checkout.shadow_branch, input);
  await work.leaveOperations();
  const staged = await work.commitTree();
  await work.returnToShadow();
  await work.joinWith(checkout.told);
  const sha = await getHeadCommit(workspace);
  if (sha === checkout.told) return { ...staged, commitEvent: undefined };
  const commitEvent = await describeCommit(workspace, { sha, parent: checkout.told, branch: checkout.shadow_branch });
  return { ...staged, commitEvent };
}

export interface Committed extends StageResult {
  /** The commit is undefined if nothing changed. */
  readonly commitEvent: EventDataByKind<"commit"> | undefined;
}

/** Remembers that a commit was reported, so that the next commit counts from it. */
export async function rememberTold(workspace: Workspace, checkout: Checkout, told: string): Promise<Checkout> {
  if (checkout.told === told) return checkout;
  const next = { ...checkout, told };
  await writeCheckout(workspace.state, next);
  return next;
}

class Committer {
  readonly #workspace: Workspace;
  readonly #shadow: string;
  readonly #message: string;
  readonly #environment: Record<string, string>;

  constructor(workspace: Workspace, shadow: string, input: CommitInput) {
    this.#workspace = workspace;
    this.#shadow = shadow;
    const { name, email } = input.co_author ?? wharfIdentity;
    this.#message = `${input.message.trim() || "Changes by the agent"}\n\nCo-authored-by: ${name} <${email}>\n`;
    const authorName = input.author_name.trim() || "Wharf";
    const authorEmail = input.author_email.trim() || "wharf@localhost";
    this.#environment = {
      GIT_AUTHOR_NAME: authorName,
      GIT_AUTHOR_EMAIL: authorEmail,
      GIT_COMMITTER_NAME: authorName,
      GIT_COMMITTER_EMAIL: authorEmail,
    };
  }

  /**
   * Quits a rebase or similar operation that the agent left unfinished; the tree stays unchanged.
   */
  async leaveOperations(): Promise<void> {
    for (const operation of ["rebase", "am"]) {
      const folder = (
        await this.#runGit(["rev-parse", "--git-path", operation === "am" ? "rebase-apply" : "rebase-merge"])
      ).trim();
      if (await exists(resolve(this.#workspace.folder, folder))) await this.#runGit([operation, "--quit"], [0, 1, 128]);
    }
  }

  async commitTree(): Promise<StageResult> {
    const staged = await stageAll(this.#workspace, this.#environment);
    const merging = (await this.#getExitCode(["rev-parse", "--quiet", "--verify", "MERGE_HEAD"])) === 0;
    if (
      !merging &&
      (await this.#getExitCode(["diff", "--cached", "--quiet", "--no-ext-diff", "--ignore-submodules=dirty"])) === 0
    )
      return staged;
    await this.#runGit(
      ["commit", "--quiet", "--no-verify", "--allow-empty", "--cleanup=whitespace", "--file=-"],
      [0],
      this.#message,
    );
    return staged;
  }

  async returnToShadow(): Promise<void> {
    const branch = (await this.#runGit(["symbolic-ref", "--quiet", "--short", "HEAD"], [0, 1])).trim();
    if (branch === this.#shadow) return;
    const work = await getHeadCommit(this.#workspace);
    const tip = (
      await this.#runGit(["rev-parse", "--quiet", "--verify", `refs/heads/${this.#shadow}^{commit}`], [0, 1, 128])
    ).trim();
    if (tip === "" || (await isAncestor(this.#workspace, tip, work))) {
      await this.#runGit(["checkout", "--quiet", "--no-track", "-B", this.#shadow]);
      return;
    }
    await this.#runGit(["checkout", "--quiet", this.#shadow, "--"]);
    if (await isAncestor(this.#workspace, work, tip)) return;
    // `git merge` would stash first, and for that start git inside each submodule.
    if ((await this.#getExitCode(["merge-recursive", "--theirs", "--", tip, work])) === 0) {
      const tree = (await this.#runGit(["write-tree"])).trim();
      await this.#runGit(["update-ref", "HEAD", await this.#createJoinCommit(tree, [tip, work])]);
      return;
    }
    await this.#runGit(["reset", "--quiet", "--hard", tip]);
    await this.#takeTree(work, tip);
  }

  async joinWith(told: string): Promise<void> {
    const head = await getHeadCommit(this.#workspace);
    if (await isAncestor(this.#workspace, told, head)) return;
    await this.#takeTree(head, told);
  }

  /** Checks out a new commit that has the tree of `work` and both commits as parents. */
  async #takeTree(work: string, follows: string): Promise<void> {
    await this.#runGit(["reset", "--quiet", "--hard", await this.#createJoinCommit(`${work}^{tree}`, [follows, work])]);
  }

  async #createJoinCommit(tree: string, parents: readonly string[]): Promise<string> {
    const args = ["commit-tree", tree, ...parents.flatMap((parent) => ["-p", parent]), "-F", "-"];
    return (await this.#runGit(args, [0], this.#message)).trim();
  }

  async #runGit(args: readonly string[], accept: readonly number[] = [0], input = ""): Promise<string> {
    const { stdout } = await git(args, this.#workspace.options({ environment: this.#environment, accept, input }));
    return stdout;
  }

  async #getExitCode(args: readonly string[]): Promise<number> {
    const { code } = await git(args, this.#workspace.options({ environment: this.#environment, accept: [1, 2, 128] }));
    return code;
  }
}

async function describeCommit(
  workspace: Workspace,
  what: { sha: string; parent: string; branch: string },
): Promise<EventDataByKind<"commit">> {
  const { stdout } = await git(
    [
      "diff",
      "--numstat",
      "-z",
      "--no-renames",
      "--ignore-submodules=dirty",
      "--no-ext-diff",
      "--no-textconv",
      what.parent,
      what.sha,
    ],
    workspace.options(),
  );
  const files = parseNumstat(stdout);
  const subject = await git(["log", "-1", "--format=%s", what.sha], workspace.options());
  return {
    kind: "commit",
    ...what,
    message: subject.stdout.trim(),
    files: files.length,
    additions: files.reduce((sum, { additions }) => sum + additions, 0),
    deletions: files.reduce((sum, { deletions }) => sum + deletions, 0),
  };
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
