import { z } from "zod";
import { AnyBranchName, CommitSha } from "../bounded-fields.ts";
import { createDaemonEndpoint, Ok } from "../endpoint.ts";
import { eventKinds } from "../events/index.ts";

/** Git in the workspace. */

const refPart = /^(?!\.)(?!.*\.\.)(?!.*\.$)(?!.*\.lock$)[a-zA-Z0-9._-]+$/;
const isRefName = (name: string): boolean =>
  !name.startsWith("-") && name !== "HEAD" && name.split("/").every((part) => refPart.test(part));
const isPath = (path: string): boolean =>
  !path.startsWith("/") && !path.includes("\0") && path.split("/").every((part) => part !== "" && part !== "..");

export const GitBranchName = z
  .string()
  .max(250)
  .regex(/^[a-zA-Z0-9._/-]+$/)
  .refine(isRefName, "a valid branch name");
/** A branch or a commit id. */
export const GitRevision = z.union([CommitSha, GitBranchName]);
/** `<`, `>` and control characters would end the name in a commit's header. */
export const GitUserName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^<>\p{Cc}]+$/u);
export const GitUserEmail = z
  .string()
  .max(254)
  .regex(/^[^\s<>@\p{Cc}]+@[^\s<>@\p{Cc}]+$/u);
export const GitMessage = z
  .string()
  .trim()
  .min(1)
  .max(2_000)
  .refine((text) => !text.includes("\0"), "a text without zero bytes");
/** A path relative to the workspace. Git takes it literally, never as a pattern. */
export const GitPath = z.string().min(1).max(4_096).refine(isPath, "a relative path inside the workspace");

export const GitClone = z.object({
  /**
   * Path on the gateway, such as `/git/<repository>.git`: never an address and never a credential.
   */
  remote_path: z.string().regex(/^\/git\/[A-Za-z0-9._-]+\.git$/),
  /** The branch that work starts from. Defaults to the remote's default branch. */
  base_branch: z.string().optional(),
  /**
   * The branch that work is committed to. The daemon checks it out from the remote if it exists
   * there.
   */
  shadow_branch: z.string(),
  author_name: z.string().max(100),
  author_email: z.string().max(254),
});
export type GitClone = z.infer<typeof GitClone>;
export const GitCloned = z.object({
  base_branch: AnyBranchName,
  base_commit_sha: CommitSha,
  head: CommitSha,
  resumed: z.boolean(),
});

const ClonePhase = z.enum(["counting", "compressing", "receiving", "resolving", "checking_out"]);
export const GitProgress = z.object({
  type: z.literal("progress"),
  phase: ClonePhase,
  percent: z.number(),
  done: z.number(),
  total: z.number(),
});
export type GitProgress = z.infer<typeof GitProgress>;
/** A line of a clone's stream: progress lines, then one `cloned` or `failed`. */
export const GitCloneEvent = z.discriminatedUnion("type", [
  GitProgress,
  GitCloned.extend({ type: z.literal("cloned") }),
  z.object({ type: z.literal("failed"), code: z.string(), message: z.string(), next: z.string() }),
]);
export type GitCloneEvent = z.infer<typeof GitCloneEvent>;

export const GitFileState = z.enum([
  "added",
  "modified",
  "deleted",
  "renamed",
  "copied",
  "type_changed",
  "conflicted",
  "untracked",
]);
export type GitFileState = z.infer<typeof GitFileState>;
export const GitStatusEntry = z.object({
  path: z.string(),
  /** The previous path of a renamed or copied file. */
  from_path: z.string().optional(),
  /** How the index differs from the newest commit. */
  staged: GitFileState.optional(),
  /** How the working tree differs from the index. */
  unstaged: GitFileState.optional(),
});
export type GitStatusEntry = z.infer<typeof GitStatusEntry>;
export const GitStatus = z.object({
  /** Missing on a detached HEAD. */
  branch: z.string().optional(),
  /** Missing before the first commit. */
  head: z.string().optional(),
  clean: z.boolean(),
  files: z.array(GitStatusEntry),
  truncated: z.boolean(),
});
export type GitStatus = z.infer<typeof GitStatus>;

const DiffStat = z.object({ path: z.string(), additions: z.number(), deletions: z.number() });
export const Diff = z.object({
  base: z.string(),
  head: z.string(),
  files: z.array(DiffStat),
  patch: z.string(),
  truncated: z.boolean(),
});
export type Diff = z.infer<typeof Diff>;

export const GitLogEntry = z.object({
  sha: z.string(),
  parents: z.array(z.string()),
  author_name: z.string(),
  author_email: z.string(),
  at: z.string(),
  subject: z.string(),
  /** The message after its subject line. */
  body: z.string(),
});
export type GitLogEntry = z.infer<typeof GitLogEntry>;

export const GitFileChange = z.object({
  path: z.string(),
  change: GitFileState,
  additions: z.number(),
  deletions: z.number(),
  binary: z.boolean(),
});
export type GitFileChange = z.infer<typeof GitFileChange>;

export const GitDiff = z.object({
  base: z.string(),
  head: z.string(),
  files: z.array(GitFileChange),
  /** Empty if the request asked only for the figures. */
  patch: z.string(),
  truncated: z.boolean(),
});
export type GitDiff = z.infer<typeof GitDiff>;

/** A commit with its difference from its first parent. */
export const GitShown = GitDiff.pick({ files: true, patch: true, truncated: true }).extend({ commit: GitLogEntry });
export type GitShown = z.infer<typeof GitShown>;

export const GitFileAt = z.object({
  path: z.string(),
  /** The commit that the file was read from. */
  sha: z.string(),
  /** Base64 if the bytes are not UTF-8. */
  encoding: z.enum(["utf8", "base64"]),
  content: z.string(),
  size_bytes: z.number(),
});
export type GitFileAt = z.infer<typeof GitFileAt>;

export const GitBranch = z.object({
  name: z.string(),
  kind: z.enum(["local", "remote"]),
  sha: z.string(),
  /** Time of the newest commit. */
  at: z.string(),
  subject: z.string(),
  /** The branch is checked out. */
  current: z.boolean(),
});
export type GitBranch = z.infer<typeof GitBranch>;

export const GitRestore = z.object({
  /** Files and folders to restore. Defaults to the whole workspace. */
  paths: z.array(GitPath).min(1).max(1_000).optional(),
  /** The state to restore. Defaults to the newest commit. */
  from: GitRevision.optional(),
  /** Also deletes files that git does not track; ignored files stay. */
  untracked: z.boolean().default(false),
});
export type GitRestore = z.output<typeof GitRestore>;
export const GitRestored = z.object({
  restored: z.array(z.string()),
  deleted: z.array(z.string()),
  truncated: z.boolean(),
});
export type GitRestored = z.infer<typeof GitRestored>;

const Person = z.object({ name: GitUserName, email: GitUserEmail });
const stat = z.stringbool().default(false);
const limit = z.coerce.number().int().min(1).max(1_000).default(100);
const skip = z.coerce.number().int().min(0).default(0);

export const GitCloneRequest = GitClone.extend({
  remote_path: GitClone.shape.remote_path.max(500),
  base_branch: GitBranchName.optional(),
  shadow_branch: GitBranchName,
  author_name: GitUserName,
  author_email: GitUserEmail,
  /** How many commits of each branch to fetch. Defaults to all. */
  depth: z.number().int().min(1).max(1_000_000).optional(),
});
export const GitCommitRequest = z.object({
  /** Defaults to a message that names the changed files. */
  message: GitMessage.optional(),
  author_name: GitUserName,
  author_email: GitUserEmail,
  /** Defaults to Wharf. */
  co_author: Person.optional(),
});

export const gitApi = {
  clone: createDaemonEndpoint({
    method: "POST",
    path: "/git/clone",
    summary: "Clone the repository and check out the shadow branch. A repeated call changes nothing",
    body: GitClone,
    response: GitCloned,
  }),
  push: createDaemonEndpoint({
    method: "POST",
    path: "/git/push",
    summary: "Push the shadow branch to the gateway's mirror",
    body: z.object({ shadow_branch: z.string() }),
    response: z.object({ sha: CommitSha }),
  }),
  gitClone: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/clone",
    summary:
      "Clone the repository and check out the shadow branch, with progress as NDJSON of GitCloneEvent. An existing clone fetches newer commits",
    body: GitCloneRequest,
    response: "stream",
    line: GitCloneEvent,
  }),
  gitConfig: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/config",
    summary: "Set the author of the agent's own commits",
    body: z.object({ user_name: GitUserName, user_email: GitUserEmail }),
    response: Ok,
  }),
  gitBranch: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/branch",
    summary: "Switch to a shadow branch. A missing branch is created from `from`, by default the newest commit",
    body: z.object({ branch: GitBranchName, from: GitRevision.optional() }),
    response: z.object({ branch: GitBranchName, head: CommitSha, created: z.boolean() }),
  }),
  gitStatus: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/status",
    summary: "Get the differences between the newest commit, the index and the working tree",
    response: GitStatus,
    carriesContent: true,
  }),
  gitDiff: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/diff",
    summary:
      "Get the difference between a commit, by default the newest, and another one, by default the working tree with untracked files",
    query: z.object({ base: GitRevision.optional(), head: GitRevision.optional(), path: GitPath.optional(), stat }),
    response: GitDiff,
    carriesContent: true,
  }),
  gitDiffAgainstBase: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/diff-against-base",
    summary: "Get the difference between the start of the task's work and the working tree",
    query: z.object({ path: GitPath.optional(), stat }),
    response: GitDiff,
    carriesContent: true,
  }),
  gitFileChanges: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/file-changes",
    summary: "List the files that differ from the start of the task's work, or from another commit",
    query: z.object({ base: GitRevision.optional() }),
    response: z.object({ base: z.string(), files: z.array(GitFileChange), truncated: z.boolean() }),
    carriesContent: true,
  }),
  gitCommit: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/commit",
    summary: "Commit all changes to the shadow branch. The answer has no commit if nothing changed",
    body: GitCommitRequest,
    response: z.object({ commit: eventKinds.commit.optional() }),
  }),
  gitPush: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/push",
    summary: "Push the shadow branch to the gateway's mirror",
    body: z.object({ branch: GitBranchName.optional() }),
    response: z.object({ branch: GitBranchName, sha: CommitSha }),
  }),
  gitLog: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/log",
    summary: "List commits backwards from a revision, by default the newest commit",
    query: z.object({ revision: GitRevision.optional(), path: GitPath.optional(), limit, skip }),
    response: z.object({ commits: z.array(GitLogEntry), more: z.boolean() }),
    carriesContent: true,
  }),
  gitShow: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/show",
    summary: "Get a commit with its changes",
    query: z.object({ revision: GitRevision, path: GitPath.optional(), stat }),
    response: GitShown,
    carriesContent: true,
  }),
  gitFile: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/file",
    summary: "Get a file as it is in a commit, up to 10 MiB",
    query: z.object({ revision: GitRevision, path: GitPath }),
    response: GitFileAt,
    carriesContent: true,
  }),
  gitBranches: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/branches",
    summary: "List the branches of the workspace and of its remote, the newest commit first",
    query: z.object({ limit }),
    response: z.object({ branches: z.array(GitBranch), more: z.boolean() }),
    carriesContent: true,
  }),
  gitRestore: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/restore",
    summary: "Discard changes: return files to their state in a commit",
    body: GitRestore.default({ untracked: false }),
    response: GitRestored,
    carriesContent: true,
  }),
  gitCommitMessages: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/commit-messages",
    summary: "List the messages of the commits since the start of the task's work, newest first",
    query: z.object({ limit }),
    response: z.object({ messages: z.array(z.object({ sha: z.string(), message: z.string() })), more: z.boolean() }),
    carriesContent: true,
  }),
  gitCheckout: createDaemonEndpoint({
    method: "POST",
    path: "/api/git/checkout",
    summary: "Check out a branch or a commit of this repository. Uncommitted work is lost only with `discard`",
    body: z.object({ revision: GitRevision, discard: z.boolean().default(false) }),
    response: z.object({ branch: z.string().max(4_096).optional(), head: CommitSha }),
  }),
  gitCurrentBranch: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/current-branch",
    summary: "Get the current branch, which is absent on a detached HEAD",
    response: z.object({ branch: z.string().max(4_096).optional() }),
  }),
  gitCurrentCommit: createDaemonEndpoint({
    method: "GET",
    path: "/api/git/current-commit",
    summary: "Get the current commit",
    response: GitLogEntry,
    carriesContent: true,
  }),
} as const;
