import { type GitDiff, WharfError } from "@wharf/contract";
import { diffFormat, parseChanges } from "@wharf/contract/git-output";
import { startDeadline } from "../deadline.ts";
import { type GitResult, type GitRunOptions, runGit } from "../run-git.ts";

/** Limits of each answer: a commit of a few kB can name more files than any machine can list. */
export interface ReadLimits {
  /** @default 60 s */
  readonly timeoutMs: number;
  /** @default 1024 */
  readonly memoryMb: number;
}

export const defaultReadLimits: ReadLimits = { timeoutMs: 60_000, memoryMb: 1_024 };
const maxPatchBytes = 5 * 1024 * 1024;
const maxListBytes = 5 * 1024 * 1024;
const maxFiles = 10_000;

export interface MirrorReaderOptions {
  readonly mirror: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: ReadLimits;
}

export interface CommitsToCompare {
  readonly base: string;
  readonly head: string;
  /** Restricts the comparison to this file or folder. */
  readonly path?: string | undefined;
  /** Leaves out the patch. */
  readonly stat?: boolean | undefined;
}

/**
 * Reads commits and their files from a mirror, as the daemon's git does in a workspace. No program
 * that a repository names is started.
 */
export class MirrorReader {
  readonly #options: MirrorReaderOptions;

  constructor(options: MirrorReaderOptions) {
    this.#options = options;
  }

  /** Resolves a branch of the mirror or a commit id. */
  async getCommit(revision: string, signal: AbortSignal): Promise<string> {
    const sha =
      (await this.#findCommit(`refs/heads/${revision}`, signal)) ??
      (/^[0-9a-f]{7,64}$/.test(revision) ? await this.#findCommit(revision, signal) : undefined);
    if (sha === undefined) throw new WharfError("revision_not_found", { revision });
    return sha;
  }

  /** Compares two commits; `base` may also be a tree. */
  async compare({ base, head, path, stat = false }: CommitsToCompare, signal: AbortSignal): Promise<GitDiff> {
    const sides = [base, head, "--", ...(path === undefined ? [] : [path])];
    const listing = await this.run(["diff", "--raw", "--numstat", "-z", ...diffFormat, ...sides], { signal });
    const patch = stat
      ? { stdout: "", truncated: false }
      : await this.run(["diff", "--patch", ...diffFormat, ...sides], { signal, maxBytes: maxPatchBytes });
    const files = parseChanges(listing.stdout);
    return {
      base,
      head,
      files: files.slice(0, maxFiles),
      patch: patch.truncated ? patch.stdout.slice(0, patch.stdout.lastIndexOf("\n") + 1) : patch.stdout,
      truncated: listing.truncated || patch.truncated || files.length > maxFiles,
    };
  }

  /** Returns what a branch changed since it left its base, which is a commit or another branch. */
  async compareBranch(
    { base, branch, ...options }: Omit<CommitsToCompare, "head"> & { readonly branch: string },
    signal: AbortSignal,
  ): Promise<GitDiff> {
    const head = await this.getCommit(branch, signal);
    const baseCommit = await this.getCommit(base, signal);
    const fork = (await this.#runLimited(["merge-base", baseCommit, head], { signal })).stdout.trim() || baseCommit;
    return this.compare({ ...options, base: fork, head }, signal);
  }

  /** Runs a command to its end, and throws if it fails. Paths are taken literally. */
  protected async run(
    args: readonly string[],
    options: Pick<GitRunOptions, "signal" | "maxBytes" | "onOutput">,
  ): Promise<GitResult> {
    const result = await this.#runLimited(args, options);
    if (result.code === 0 || result.truncated) return result;
    throw new WharfError("git_failed", { command: args[0] ?? "", reason: result.stderr.trim().slice(-500) });
  }

  async #findCommit(name: string, signal: AbortSignal): Promise<string | undefined> {
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`];
    const result = await this.#runLimited(args, { signal });
    return result.code === 0 ? result.stdout.trim() : undefined;
  }

  async #runLimited(
    args: readonly string[],
    { signal, ...options }: Pick<GitRunOptions, "signal" | "maxBytes" | "onOutput">,
  ): Promise<GitResult> {
    const { mirror, environment, limits } = this.#options;
    const limit = `${limits.timeoutMs / 1000} s`;
    const createError = () => new WharfError("git_over_limit", { command: args[0] ?? "", limit });
    using deadline = startDeadline(signal, limits.timeoutMs, createError);
    return await runGit([`--git-dir=${mirror}`, "--literal-pathspecs", ...args], {
      environment,
      memoryMb: limits.memoryMb,
      maxBytes: maxListBytes,
      ...options,
      signal: deadline.signal,
    });
  }
}
