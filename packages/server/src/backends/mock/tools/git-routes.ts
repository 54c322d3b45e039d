import { gitApi, type GitLogEntry, WharfError } from "@wharf/contract";
import { isBinary } from "../git/line-diff.ts";
import type { MockGit } from "../git/mock-git.ts";
import { type Route, route } from "../serve-routes.ts";

/** What of git a mock runner can do besides a run's own needs. It has one branch, and whatever else is asked of it is refused. */
export function gitRoutes(git: MockGit): Route[] {
  const checkout = () => {
    const found = git.checkout;
    if (found) return found;
    throw new WharfError("conflict", { what: "workspace", from: "not cloned", to: "asked about its git" });
  };
  const changes = (base: string, only?: string) => {
    const found = git.changes(git.resolve(base)).filter(({ path }) => only === undefined || path === only);
    const files = found.map(({ path, additions, deletions, change, bytes }) => ({
      path,
      change,
      additions,
      deletions,
      binary: isBinary(bytes),
    }));
    return { files, patch: found.map(({ patch }) => patch).join("") };
  };
  const entry = (sha: string): GitLogEntry => {
    const { message, parents, author_name, author_email, at } = checkout().objects.commit(sha);
    const [subject = "", ...body] = message.split("\n");
    return { sha, parents: [...parents], author_name, author_email, at, subject, body: body.join("\n").trim() };
  };
  const diff = (base: string, { path, stat }: { path?: string | undefined; stat: boolean }) => {
    const { files, patch } = changes(base, path);
    return { base: git.resolve(base), head: checkout().head, files, patch: stat ? "" : patch, truncated: false };
  };
  const single = (name: string) => {
    const { shadow_branch } = checkout().input;
    if (name !== shadow_branch) throw new WharfError("unsupported", { what: "another branch in a mock runner" });
    return shadow_branch;
  };
  return [
    route("gitClone", gitApi.gitClone, async function* ({ body }) {
      const { depth: _, ...input } = body;
      const { base_branch, ...rest } = input;
      yield { type: "cloned", ...(await git.clone({ ...rest, ...(base_branch && { base_branch }) })) };
    }),
    route("gitConfig", gitApi.gitConfig, () => ({ ok: true as const })),
    route("gitBranch", gitApi.gitBranch, ({ body }) => ({
      branch: single(body.branch),
      head: checkout().head,
      created: false,
    })),
    route("gitStatus", gitApi.gitStatus, () => {
      const { head, input } = checkout();
      const files = git
        .changes(head)
        .map(({ path, change }) => ({ path, unstaged: change === "added" ? ("untracked" as const) : change }));
      return { branch: input.shadow_branch, head, clean: files.length === 0, files, truncated: false };
    }),
    route("gitDiff", gitApi.gitDiff, ({ query }) => diff(query.base ?? checkout().head, query)),
    route("gitDiffAgainstBase", gitApi.gitDiffAgainstBase, ({ query }) =>
      diff(checkout().cloned.base_commit_sha, query),
    ),
    route("gitFileChanges", gitApi.gitFileChanges, ({ query }) => {
      const base = git.resolve(query.base ?? checkout().cloned.base_commit_sha);
      return { base, files: changes(base).files, truncated: false };
    }),
    route("gitCommit", gitApi.gitCommit, async ({ body }) => {
      const { author_name, author_email, co_author } = body;
      const names = git.changes(checkout().head).map(({ path }) => path);
      const message = body.message ?? `Change ${names.slice(0, 3).join(", ")}`;
      const commit = await git.commit({ message, author_name, author_email }, co_author);
      return commit ? { commit } : {};
    }),
    route("gitPush", gitApi.gitPush, async ({ body }) => {
      const branch = body.branch ?? checkout().input.shadow_branch;
      return { branch, ...(await git.push({ shadow_branch: branch })) };
    }),
    route("gitLog", gitApi.gitLog, ({ query }) => {
      const from = query.revision === undefined ? checkout().head : git.resolve(query.revision);
      const all = checkout().objects.ancestry(from);
      const page = all.slice(query.skip, query.skip + query.limit);
      return { commits: page.map(entry), more: all.length > query.skip + query.limit };
    }),
    route("gitCommitMessages", gitApi.gitCommitMessages, ({ query }) => {
      const { objects, head, cloned } = checkout();
      const old = new Set(objects.ancestry(cloned.base_commit_sha));
      const fresh = objects.ancestry(head).filter((sha) => !old.has(sha));
      const messages = fresh.slice(0, query.limit).map((sha) => ({ sha, message: objects.commit(sha).message.trim() }));
      return { messages, more: fresh.length > query.limit };
    }),
    route("gitCheckout", gitApi.gitCheckout, ({ body }) => ({ branch: single(body.revision), head: checkout().head })),
    route("gitCurrentBranch", gitApi.gitCurrentBranch, () => ({ branch: checkout().input.shadow_branch })),
    route("gitCurrentCommit", gitApi.gitCurrentCommit, () => entry(checkout().head)),
  ];
}
