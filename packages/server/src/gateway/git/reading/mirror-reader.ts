import { type GitDiff, type GitLogEntry, type GitShown, WharfError } from "@wharf/contract";
import { diffFormat, logFormat, parseChanges, parseLog } from "@wharf/contract/git-output";
import { startDeadline } from "../deadline.ts";
import { type GitResult, type GitRunOptions, runGit } from "../run-git.ts";
import { isBelow, parseTree, type TreeEntry } from "./tree-entries.ts";

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
const maxTreeBytes = 32 * 1024 * 1024;
const maxFileBytes = 10 * 1024 * 1024;

export interface MirrorReaderOptions {
  readonly mirror: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: ReadLimits;
}

export interface CommitRange {
  /** The newest commit. */
  readonly start: string;
  readonly since?: string | undefined;
  readonly path?: string | undefined;
  readonly limit: number;
  readonly skip?: number;
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
    const listing = await this.#run(["diff", "--raw", "--numstat", "-z", ...diffFormat, ...sides], { signal });
    const patch = stat
      ? { stdout: "", truncated: false }
      : await this.#run(["diff", "--patch", ...diffFormat, ...sides], { signal, maxBytes: maxPatchBytes });
    const files = parseChanges(listing.stdout);
    return {
      base,
      head,
      files: files.slice(0, maxFiles),
      patch: patch.truncated ? patch.stdout.slice(0, patch.stdout.lastIndexOf("\n") + 1) : patch.stdout,
      truncated: listing.truncated || patch.truncated || files.length > maxFiles,
    };
  }

  /** Lists commits backwards from one, without those that `since` contains. */
  async readLog(
    { start, since, path, limit, skip = 0 }: CommitRange,
    signal: AbortSignal,
  ): Promise<{ commits: GitLogEntry[]; more: boolean }> {
    const range = [start, ...(since === undefined ? [] : [`^${since}`]), "--", ...(path === undefined ? [] : [path])];
    const bounds = [`--max-count=${limit + 1}`, `--skip=${skip}`];
    const { stdout, truncated } = await this.#run(["log", ...logFormat, ...bounds, ...range], { signal });
    const commits = parseLog(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
    return { commits: commits.slice(0, limit), more: truncated || commits.length > limit };
  }

  /** Returns a commit with its difference from its first parent, or from nothing. */
  async showCommit(
    { commit: sha, ...options }: { readonly commit: string } & Pick<CommitsToCompare, "path" | "stat">,
    signal: AbortSignal,
  ): Promise<GitShown> {
    const [commit] = (await this.readLog({ start: sha, limit: 1 }, signal)).commits;
    if (!commit) throw new WharfError("revision_not_found", { revision: sha });
    const base =
      commit.parents[0] ?? (await this.#run(["hash-object", "-t", "tree", "/dev/null"], { signal })).stdout.trim();
    const { files, patch, truncated } = await this.compare({ ...options, base, head: sha }, signal);
    return { commit, files, patch, truncated };
  }

  /** Returns the entry of a file or a folder in a commit. */
  async findEntry(commit: string, path: string, signal: AbortSignal): Promise<TreeEntry> {
    if (path === ".") return { path, type: "directory", mode: 0o755, size: 0, object: commit };
    const { stdout } = await this.#run(["ls-tree", "-z", "--long", commit, "--", path], { signal });
    const [entry] = parseTree(stdout);
    if (!entry) throw new WharfError("file_not_found", { path });
    return entry;
  }

  /** Lists the entries of a folder in a commit, or of its whole tree, sorted by path. */
  async listEntries(
    { commit, path, recursive }: { readonly commit: string; readonly path: string; readonly recursive: boolean },
    signal: AbortSignal,
  ): Promise<{ entries: TreeEntry[]; truncated: boolean }> {
    const { type } = await this.findEntry(commit, path, signal);
    if (type !== "directory") throw new WharfError("bad_request", { issues: [{ path, message: "is not a folder" }] });
    const depth = recursive ? ["-r", "-t"] : [];
    const folder = path === "." ? [] : [`${path}/`];
    const args = ["ls-tree", "-z", "--long", ...depth, commit, "--", ...folder];
    const { stdout, truncated } = await this.#run(args, { signal, maxBytes: maxTreeBytes });
    const entries = parseTree(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
    return { entries: entries.filter((entry) => entry.path !== path && isBelow(entry.path, path)), truncated };
  }

  /** Returns the bytes of a file in a commit. */
  async readFile(commit: string, path: string, signal: AbortSignal): Promise<Buffer> {
    const { type, size, object } = await this.findEntry(commit, path, signal);
    if (type !== "file") throw new WharfError("bad_request", { issues: [{ path, message: "is not a file" }] });
    if (size > maxFileBytes) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    const pieces: Buffer[] = [];
    await this.#run(["cat-file", "blob", object], {
      signal,
      maxBytes: maxFileBytes + 1,
      onOutput: (piece) => pieces.push(piece),
    });
    return Buffer.concat(pieces);
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
  async #run(
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
