import { randomUUID } from "node:crypto";
import { type EventDataByKind, type gitApi, type GitCloneEvent, toWharfError } from "@wharf/contract";
import type { CloneInput, GitService } from "../git/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export interface GitRouteOptions {
  git: GitService;
  /**
   * Receives commits that a request made, so that the journal holds them like the commits of a
   * turn.
   */
  onCommit: (commit: EventDataByKind<"commit">) => Promise<void>;
  /** Receives unexpected failures, which are not the fault of a request. */
  onInternal: (reference: string, error: unknown) => void;
}

export function createGitHandlers({ git, onCommit, onInternal }: GitRouteOptions): RouteHandlers<typeof gitApi> {
  return {
    clone: ({ body }) => git.clone(body),
    push: ({ body }) => git.push(body),
    gitClone: ({ body }) => streamCloneEvents(git, body, onInternal),
    gitConfig: async ({ body }) => {
      await git.setAuthor({ name: body.user_name, email: body.user_email });
      return { ok: true };
    },
    gitBranch: ({ body }) => git.switchBranch(body),
    gitStatus: () => git.getTreeStatus(),
    gitDiff: ({ query }) => git.compare(query),
    gitDiffAgainstBase: ({ query }) => git.compareWithBase(query),
    gitFileChanges: async ({ query: { base: requestedBase } }) => {
      const compared =
        requestedBase === undefined
          ? git.compareWithBase({ stat: true })
          : git.compare({ base: requestedBase, stat: true });
      const { base, files, truncated } = await compared;
      return { base, files, truncated };
    },
    gitCommit: async ({ body }) => {
      const message = body.message ?? formatSummary((await git.getTreeStatus()).files.map(({ path }) => path));
      const commit = await git.commit({ ...body, message });
      if (commit) await onCommit(commit);
      return { ...(commit && { commit }) };
    },
    gitPush: async ({ body }) => {
      const branch = body.branch ?? (await git.getShadowBranch());
      return { branch, ...(await git.push({ shadow_branch: branch })) };
    },
    gitShow: ({ query }) => git.showCommit(query),
    gitFile: ({ query }) => git.readFileAt(query),
    gitBranches: ({ query }) => git.listBranches(query),
    gitRestore: ({ body }) => git.restore(body),
    gitLog: ({ query }) => git.readLog(query),
    gitCommitMessages: async ({ query }) => {
      const { commits, more: hasMore } = await git.readOwnLog(query);
      const messages = commits.map(({ sha, subject, body }) => ({
        sha,
        message: body === "" ? subject : `${subject}\n\n${body}`,
      }));
      return { messages, more: hasMore };
    },
    gitCheckout: ({ body }) => git.checkout(body),
    gitCurrentBranch: async () => {
      const branch = await git.getCurrentBranch();
      return { ...(branch !== undefined && { branch }) };
    },
    gitCurrentCommit: () => git.getCurrentCommit(),
  };
}

/** A clone continues when the caller leaves: the next caller finds the finished clone. */
async function* streamCloneEvents(
  git: GitService,
  input: CloneInput,
  onInternal: GitRouteOptions["onInternal"],
): AsyncGenerator<GitCloneEvent> {
  const events: GitCloneEvent[] = [];
  let nextEvent = Promise.withResolvers<void>();
  const pushEvent = (event: GitCloneEvent): void => {
    events.push(event);
    nextEvent.resolve();
  };
  const pushFailure = (thrown: unknown): void => {
    const reference = randomUUID();
    const error = toWharfError(thrown, reference);
    if (error.code === "internal") onInternal(reference, thrown);
    const { code, detail, next } = error.toProblem();
    pushEvent({ type: "failed", code, message: detail, next });
  };
  void git
    .clone(input, { onProgress: pushEvent })
    .then((cloned) => pushEvent({ type: "cloned", ...cloned }), pushFailure);
  for (;;) {
    await nextEvent.promise;
    nextEvent = Promise.withResolvers<void>();
    for (const event of events.splice(0)) {
      yield event;
      if (event.type !== "progress") return;
    }
  }
}

const maxNamedFiles = 3;

/** Creates a commit message for changes that came without one. */
function formatSummary(paths: readonly string[]): string {
  const named = paths.slice(0, maxNamedFiles).join(", ");
  const remainingCount = paths.length - maxNamedFiles;
  return paths.length === 0 ? "" : `Change ${named}${remainingCount > 0 ? ` and ${remainingCount} more` : ""}`;
}
