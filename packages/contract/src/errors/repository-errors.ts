import type { Catalogue, NoContext } from "./catalogue-entry.ts";

/** The operation on a remote repository that timed out. */
export type RepositoryPhase = "wait" | "list" | "fetch" | "push";

export interface RepositoryErrors {
  repository_missing: { url: string };
  repository_empty: { url: string };
  repository_auth: { url: string };
  repository_refused: { url: string; reason: string };
  git_credential_refused: { url: string; entry: string };
  git_credential_unusable: { entry: string; reason: string };
  repository_too_large: { url: string; limit_mb: number };
  repository_unreachable: { url: string; reason: string };
  repository_timeout: { url: string; host: string; phase: RepositoryPhase; after_s: number };
  branch_missing: { url: string; branch: string };
  mirror_not_found: { id: string };
  revision_not_found: { revision: string };
  workspace_not_cloned: NoContext;
  workspace_occupied: { content: string; requested: string };
  uncommitted_changes: { revision: string };
  push_rejected: { ref: string; reason: string };
  work_not_committed: { reason: string };
  git_failed: { command: string; reason: string };
  git_over_limit: { command: string; limit: string };
}

const phases: Readonly<Record<Exclude<RepositoryPhase, "wait">, string>> = {
  list: "listing the branches",
  fetch: "fetching",
  push: "pushing",
};

/** Errors of repositories, branches and git. */
export const repositoryErrors: Catalogue<RepositoryErrors> = {
  repository_missing: {
    http: 422,
    grpc: "NOT_FOUND",
    message: ({ url }) => `There is no repository at ${url}.`,
    next: () => "Check the address. A path must exist on the server's machine.",
  },
  repository_empty: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ url }) => `The repository ${url} has no commits.`,
    next: () => "Push a first commit to it, then prompt the task again.",
  },
  repository_auth: {
    http: 422,
    grpc: "PERMISSION_DENIED",
    message: ({ url }) => `${url} requires a login that the server does not have.`,
    next: () =>
      "Name a login in the file of WHARF_GIT_CREDENTIALS, or give the server's user access with an SSH key or a git credential helper, then prompt the task again.",
  },
  repository_refused: {
    http: 422,
    grpc: "PERMISSION_DENIED",
    message: ({ url, reason }) => `The server does not use ${url}: ${reason}.`,
    next: () =>
      "Use another address, or let the server use it with WHARF_GIT_HOSTS or WHARF_GIT_LOCAL_PATHS (docs/repositories.md).",
  },
  git_credential_refused: {
    http: 422,
    grpc: "PERMISSION_DENIED",
    message: ({ url, entry }) => `${url} refused the login of the credential for ${entry}.`,
    next: () =>
      "Check that the login is valid and may use the repository, correct it where the file of WHARF_GIT_CREDENTIALS names it, then prompt the task again.",
  },
  git_credential_unusable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ entry, reason }) => `The credential for ${entry} cannot be used: ${reason}.`,
    next: () =>
      "Correct its entry in the file of WHARF_GIT_CREDENTIALS, or what the entry names; `wharf doctor` checks every entry. Then prompt the task again.",
  },
  repository_too_large: {
    http: 422,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ url, limit_mb }) => `${url} is larger than the limit of ${limit_mb} MB.`,
    next: () => "Raise MAX_REPO_SIZE_MB on the server if the size is expected, then prompt the task again.",
  },
  repository_unreachable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ url, reason }) => `${url} could not be fetched: ${reason}`,
    next: () => "Check the address and the server's network, then prompt the task again.",
  },
  repository_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ url, host, phase, after_s }) =>
      phase === "wait"
        ? `Wharf waited ${after_s} s for earlier transfers with ${host}, and they did not finish.`
        : `${host} was too slow: ${phases[phase]} (${url}) did not finish within ${after_s} s.`,
    next: ({ host }) =>
      `Check the connection from the server's machine to ${host} with \`git ls-remote <url>\`, then prompt the task again.`,
  },
  branch_missing: {
    http: 422,
    grpc: "NOT_FOUND",
    message: ({ url, branch }) => `${url} has no branch '${branch}'.`,
    next: () => "Name an existing branch, or leave it out to use the default branch.",
  },
  mirror_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `The server has no mirror '${id}'.`,
    next: () => "Prompt the task again: the server mirrors its repository when a run starts.",
  },
  revision_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ revision }) => `The repository has no branch or commit '${revision}'.`,
    next: () => "Check the name: `git log --all` in the workspace lists the commits and branches.",
  },
  workspace_not_cloned: {
    http: 404,
    grpc: "NOT_FOUND",
    message: () => "The runner's workspace has no clone of a repository.",
    next: () => "Clone a repository into the workspace first, or use a runner that belongs to a task.",
  },
  workspace_occupied: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ content, requested }) =>
      `The runner's workspace contains ${content}, so ${requested} cannot be cloned into it.`,
    next: () => "Use another runner, whose workspace is empty.",
  },
  uncommitted_changes: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ revision }) => `A checkout of '${revision}' would lose uncommitted changes in the workspace.`,
    next: () => "Commit the changes first, or send `discard` to discard them.",
  },
  push_rejected: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ ref, reason }) => `The push to ${ref} was rejected: ${reason}`,
    next: () =>
      "The work is kept on the server or in the runner. Fix the cause, then push again with `wharf task push <task>`.",
  },
  work_not_committed: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ reason }) => `The work of this turn was not committed: ${reason}`,
    next: () =>
      "The work is kept in the runner's workspace, and the next turn tries again: prompt the agent to correct the cause.",
  },
  git_failed: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ command, reason }) => `git ${command} failed: ${reason}`,
    next: () =>
      "Fix the problem that git reports, then try again; `wharf task logs <task>` shows what happened before.",
  },
  git_over_limit: {
    http: 422,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ command, limit }) => `Wharf stopped git ${command} because it needed more than ${limit}.`,
    next: () =>
      "Review the newest commits carefully: few commits need this much, and these may have been crafted to exhaust the machine.",
  },
};
