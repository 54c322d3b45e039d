import { dirname, join } from "node:path";
import {
  defaultGitTimeoutMs,
  type EventDataByKind,
  type GitBranch,
  type GitCloned,
  type GitDiff,
  type GitFileAt,
  type GitLogEntry,
  type GitRestore,
  type GitRestored,
  type GitShown,
  type GitStatus,
  type Health,
  WharfError,
} from "@wharf/contract";
import type { z } from "zod";
import { checkoutRevision, switchBranch } from "./branch.ts";
import { listBranches } from "./branches.ts";
import { readCheckout, writeCheckout, type Checkout } from "./checkout-state.ts";
import { cloneRepository, type CloneInput, type CloneOptions } from "./clone.ts";
import { git, GitFailure } from "./command.ts";
import { formatOmissions, formatManyFilesWarning } from "./commit-notices.ts";
import { commit, type Committed, rememberTold, type CommitInput } from "./commit.ts";
import { compareCommits, compareWithCommit, type CompareInput } from "./diff.ts";
import { IsolatedConfig } from "./isolated-config.ts";
import { getCurrentCommit, readLog, type LogInput } from "./log.ts";
import { pushBranch } from "./push.ts";
import { readHead } from "./read-head.ts";
import { isDamaged, repairRepository } from "./repair.ts";
import { restoreFiles } from "./restore.ts";
import { getCurrentBranch, resolveRevision } from "./revisions.ts";
import { readFileAt, showCommit } from "./show.ts";
import { retryWhileLocked } from "./stale-locks.ts";
import { readStatus } from "./status.ts";
import { writeUser } from "./user-config.ts";
import type { Workspace } from "./workspace.ts";

interface GitServiceOptions {
  workspace: string;
  state: string;
  /** Remote paths are appended to this base: the relay, for example `http://127.0.0.1:4100`. */
  remoteBase: string;
  /** Aborts the running operation. */
  signal?: AbortSignal;
  /** Remotes may use these protocols besides http. */
  protocols?: readonly string[];
  /**
   * Called before git changes files of the workspace; the returned object is disposed of
   * afterwards.
   */
  quiet?: () => Disposable;
  /** Larger files are left out of commits. */
  maxFileBytes?: number;
  /** Limits one step that contacts no remote: the setting WHARF_GIT_TIMEOUT. */
  stepTimeoutMs?: number;
  /** A commit or a push that takes longer reports its progress. */
  progressDelayMs?: number;
  /** Called with notices for a person about the committed work. */
  notice?: (message: string) => Promise<void>;
}

/** `base` is the newest commit by default; without `head` the working tree is compared. */
interface RevisionsToCompare extends Omit<CompareInput, "base"> {
  readonly base?: string | undefined;
  readonly head?: string | undefined;
}

const defaultMaxFileBytes = 100e6;
const defaultProgressDelayMs = 5_000;
const progressIntervalMs = 30_000;

/**
 * GitService is the daemon's git: it clones, commits, compares and pushes the workspace, one
 * operation at a time.
 */
export class GitService {
  readonly #workspace: Workspace;
  readonly #quiet: () => Disposable;
  readonly #progressDelayMs: number;
  readonly #notice: (message: string) => Promise<void>;
  #queue: Promise<unknown> = Promise.resolve();
  /** Files left out of the last commit are reported once, not after every turn. */
  #reportedOmissions: string | undefined;
  /**
   * The newest commit that was returned is saved to disk by the next step, so that none is
   * forgotten.
   */
  #reportedSha: string | undefined;

  constructor({ workspace, state, remoteBase, signal, protocols = [], quiet, ...options }: GitServiceOptions) {
    const view = new IsolatedConfig({ workspace, state });
    const allowed = { GIT_ALLOW_PROTOCOL: ["http", ...protocols].join(":") };
    const outside = { ...allowed, GIT_CEILING_DIRECTORIES: dirname(workspace) };
    const inside = { ...allowed, ...view.environment };
    const { stepTimeoutMs = defaultGitTimeoutMs } = options;
    this.#progressDelayMs = options.progressDelayMs ?? defaultProgressDelayMs;
    this.#notice = options.notice ?? (async () => undefined);
    this.#quiet = quiet ?? (() => ({ [Symbol.dispose]: () => undefined }));
    this.#workspace = {
      folder: workspace,
      state,
      maxFileBytes: options.maxFileBytes ?? defaultMaxFileBytes,
      stepTimeoutMs,
      remoteUrl: (path) => remoteBase + path,
      prepare: () => view.prepare(signal),
      options: ({ environment, ...overrides } = {}) => ({
        cwd: workspace,
        signal,
        stepTimeoutMs,
        ...overrides,
        environment: { ...inside, ...environment },
      }),
      outside: ({ environment, ...overrides } = {}) => ({
        cwd: workspace,
        signal,
        stepTimeoutMs,
        ...overrides,
        environment: { ...outside, ...environment },
      }),
    };
  }

  clone(input: CloneInput, options: CloneOptions = {}): Promise<z.infer<typeof GitCloned>> {
    return this.#enqueue(async () => {
      using _ = this.#quiet();
      await this.#loadCheckout();
      const cloned = await cloneRepository(this.#workspace, input, options);
      this.#reportedSha = undefined;
      return cloned;
    });
  }

  /** Commits the changes since the last call; returns undefined if there are none. */
  commit(input: CommitInput): Promise<EventDataByKind<"commit"> | undefined> {
    return this.#enqueue(async () => {
      const checkout = await this.#loadCheckout();
      if (!checkout) return undefined;
      using _ = this.#quiet();
      const committed = await this.#withProgress("committing the work of this turn", () =>
        this.#commitWork(checkout, input),
      );
      const { commitEvent } = committed;
      this.#reportedSha = commitEvent?.sha ?? this.#reportedSha;
      const omissions = formatOmissions(committed, this.#workspace.maxFileBytes);
      const isNews = omissions !== undefined && omissions !== this.#reportedOmissions;
      this.#reportedOmissions = omissions;
      if (isNews && !commitEvent) throw new WharfError("work_not_committed", { reason: omissions });
      if (isNews) await this.#notice(`Not everything was committed: ${omissions}.`);
      const many = commitEvent && formatManyFilesWarning(committed);
      if (many) await this.#notice(many);
      return commitEvent;
    });
  }

  /** Commits the work even if the agent damaged its repository. */
  async #commitWork(checkout: Checkout, input: CommitInput): Promise<Committed> {
    try {
      await this.#workspace.prepare();
      return await retryWhileLocked(this.#workspace, () => commit(this.#workspace, checkout, input));
    } catch (error) {
      if (!(error instanceof GitFailure) || !(await isDamaged(this.#workspace, checkout))) throw error;
      const repaired = await repairRepository(this.#workspace, checkout).catch((failure: unknown) => {
        const detail = failure instanceof Error ? failure.message : String(failure);
        const reason = `the repository in the workspace is damaged and could not be repaired (${detail})`;
        throw new WharfError("work_not_committed", { reason }, { cause: failure });
      });
      this.#reportedSha = undefined;
      await this.#notice(
        repaired === checkout
          ? "The repository in the workspace was damaged; Wharf repaired it."
          : "The repository in the workspace was damaged; Wharf rebuilt it from the remote and kept all files.",
      );
      return await retryWhileLocked(this.#workspace, () => commit(this.#workspace, repaired, input));
    }
  }

  /**
   * Makes the cleanup commit before a runner stops: uncommitted work, in the name of its author.
   * Returns undefined if there is none, or if the time runs out: the disk is kept, and the next
   * commit includes the work.
   */
  async commitLeftovers({ withinMs }: { withinMs: number }): Promise<EventDataByKind<"commit"> | undefined> {
    const timeout = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => timeout.resolve(undefined), withinMs);
    try {
      const checkout = await readCheckout(this.#workspace.state);
      if (checkout?.status !== "cloned") return undefined;
      const commitEvent = this.commit({
        message: "Save uncommitted work before the runner stops",
        author_name: checkout.author?.name ?? "",
        author_email: checkout.author?.email ?? "",
      });
      return await Promise.race([commitEvent, timeout.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  push({ shadow_branch }: { shadow_branch: string }): Promise<{ sha: string }> {
    return this.#enqueue(async () => {
      const checkout = await this.#loadCheckout();
      if (checkout?.shadow_branch !== shadow_branch)
        throw new WharfError("revision_not_found", { revision: shadow_branch });
      await this.#workspace.prepare();
      return this.#withProgress("pushing the work to the server", () => pushBranch(this.#workspace, checkout));
    });
  }

  getShadowBranch(): Promise<string> {
    return this.#withClone((_, { shadow_branch }) => Promise.resolve(shadow_branch));
  }

  /**
   * Returns the difference between a revision (the newest commit by default) and another one, or
   * the working tree.
   */
  compare({ base, head, ...options }: RevisionsToCompare): Promise<GitDiff> {
    return this.#withClone(async (workspace) => {
      const revision = base === undefined ? await getCurrentCommit(workspace) : await resolveRevision(workspace, base);
      if (head === undefined) return compareWithCommit(workspace, { base: revision.sha, ...options });
      const { sha } = await resolveRevision(workspace, head);
      return compareCommits(workspace, { base: revision.sha, head: sha, ...options });
    });
  }

  /** Returns the difference between the start of the task's work and the working tree. */
  compareWithBase(input: Omit<CompareInput, "base">): Promise<GitDiff> {
    return this.#withClone((workspace, { base_commit_sha }) =>
      compareWithCommit(workspace, { base: base_commit_sha, ...input }),
    );
  }

  setAuthor(user: { name: string; email: string }): Promise<void> {
    return this.#withClone(async (workspace, checkout) => {
      await retryWhileLocked(workspace, () => writeUser(workspace, user));
      await writeCheckout(workspace.state, { ...checkout, author: user });
    });
  }

  /** Continues with another shadow branch. */
  switchBranch(input: {
    branch: string;
    from?: string | undefined;
  }): Promise<{ branch: string; head: string; created: boolean }> {
    return this.#withClone(async (workspace, checkout) => {
      using _ = this.#quiet();
      const switched = await switchBranch(workspace, checkout, input);
      this.#reportedSha = undefined;
      return switched;
    });
  }

  checkout(input: { revision: string; discard: boolean }): Promise<{ branch?: string; head: string }> {
    return this.#withClone(async (workspace) => {
      using _ = this.#quiet();
      return await checkoutRevision(workspace, input);
    });
  }

  restore(input: GitRestore): Promise<GitRestored> {
    return this.#withClone(async (workspace) => {
      using _ = this.#quiet();
      return await retryWhileLocked(workspace, () => restoreFiles(workspace, input));
    });
  }

  showCommit(input: Parameters<typeof showCommit>[1]): Promise<GitShown> {
    return this.#withClone((workspace) => showCommit(workspace, input));
  }

  readFileAt(input: Parameters<typeof readFileAt>[1]): Promise<GitFileAt> {
    return this.#withClone((workspace) => readFileAt(workspace, input));
  }

  listBranches(input: { limit: number }): Promise<{ branches: GitBranch[]; more: boolean }> {
    return this.#withClone((workspace) => listBranches(workspace, input));
  }

  getTreeStatus(): Promise<GitStatus> {
    return this.#withClone(readStatus);
  }

  readLog(input: LogInput): Promise<{ commits: GitLogEntry[]; more: boolean }> {
    return this.#withClone((workspace) => readLog(workspace, input));
  }

  /** Returns the commits since the task's work began. */
  readOwnLog({ limit }: { limit: number }): Promise<{ commits: GitLogEntry[]; more: boolean }> {
    return this.#withClone((workspace, { base_commit_sha }) => readLog(workspace, { limit, since: base_commit_sha }));
  }

  getCurrentBranch(): Promise<string | undefined> {
    return this.#withClone(getCurrentBranch);
  }

  getCurrentCommit(): Promise<GitLogEntry> {
    return this.#withClone(getCurrentCommit);
  }

  /** Reads the status from files where possible, without starting git. */
  async getStatus(): Promise<Health["workspace"]> {
    // A runner with a damaged clone record stays reachable; operations that need the clone report
    // the damage.
    const checkout = await readCheckout(this.#workspace.state).catch(() => undefined);
    if (checkout?.status !== "cloned") return { cloned: false };
    const { branch: name, sha } = await readHead(join(this.#workspace.folder, ".git"));
    if (name === undefined) return { cloned: true, ...(sha && { head: sha }) };
    const head = sha ?? (await this.#readPackedRef(name));
    return { cloned: true, branch: name, ...(head && { head }) };
  }

  async #readPackedRef(name: string): Promise<string | undefined> {
    const options = this.#workspace.outside({ accept: [1, 128] });
    const { stdout } = await git(["rev-parse", "--quiet", "--verify", `refs/heads/${name}`], options);
    return stdout.trim() || undefined;
  }

  #withClone<T>(action: (workspace: Workspace, checkout: Checkout) => Promise<T>): Promise<T> {
    return this.#enqueue(async () => {
      const checkout = await this.#loadCheckout();
      if (!checkout) throw new WharfError("workspace_not_cloned", {});
      await this.#workspace.prepare();
      return action(this.#workspace, checkout);
    });
  }

  async #loadCheckout(): Promise<Checkout | undefined> {
    const checkout = await readCheckout(this.#workspace.state);
    if (checkout?.status !== "cloned") return undefined;
    return rememberTold(this.#workspace, checkout, this.#reportedSha ?? checkout.told);
  }

  /** Reports work that takes longer than a few seconds, so that it does not seem stuck. */
  async #withProgress<T>(what: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let reports: Promise<unknown> = Promise.resolve();
    const reportProgress = () => {
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      reports = reports
        .then(() => this.#notice(`Still ${what} (${seconds} s); many or large files take time.`))
        .catch(() => undefined);
      timer = setTimeout(reportProgress, progressIntervalMs);
    };
    let timer = setTimeout(reportProgress, this.#progressDelayMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      await reports;
    }
  }

  #enqueue<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(action);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
