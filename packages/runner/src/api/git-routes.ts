import { randomUUID } from "node:crypto";
import { type EventDataOf, type gitApi, type GitCloneEvent, toWharfError } from "@wharf/contract";
import type { CloneInput, GitWorkspace } from "../git/index.ts";
import type { HandlersOf } from "./handlers-of.ts";

export interface GitParts {
  git: GitWorkspace;
  /** Told of commits that a request made, so that they are in the journal like those of a turn. */
  onCommit: (commit: EventDataOf<"commit">) => Promise<void>;
  /** Told of failures that are nobody's request's fault. */
  onInternal: (reference: string, error: unknown) => void;
}

export function gitHandlers({ git, onCommit, onInternal }: GitParts): HandlersOf<typeof gitApi> {
  return {
    gitClone: ({ body }) => cloneEvents(git, body, onInternal),
    gitConfig: async ({ body }) => {
      await git.config({ name: body.user_name, email: body.user_email });
      return { ok: true };
    },
    gitBranch: ({ body }) => git.branch(body),
    gitStatus: () => git.treeStatus(),
    gitDiff: ({ query }) => git.compare(query),
    gitDiffAgainstBase: ({ query }) => git.compareWithBase(query),
    gitFileChanges: async ({ query: { base: given } }) => {
      const compared =
        given === undefined ? git.compareWithBase({ stat: true }) : git.compare({ base: given, stat: true });
      const { base, files, truncated } = await compared;
      return { base, files, truncated };
    },
    gitCommit: async ({ body }) => {
      const message = body.message ?? summaryOf((await git.treeStatus()).files.map(({ path }) => path));
      const commit = await git.commit({ ...body, message });
      if (commit) await onCommit(commit);
      return { ...(commit && { commit }) };
    },
    gitPush: async ({ body }) => {
      const branch = body.branch ?? (await git.shadowBranch());
      return { branch, ...(await git.push({ shadow_branch: branch })) };
    },
    gitLog: ({ query }) => git.log(query),
    gitCommitMessages: async ({ query }) => {
      const { commits, more } = await git.ownLog(query);
      const messages = commits.map(({ sha, subject, body }) => ({
        sha,
        message: body === "" ? subject : `${subject}\n\n${body}`,
      }));
      return { messages, more };
    },
    gitCheckout: ({ body }) => git.checkout(body),
    gitCurrentBranch: async () => {
      const branch = await git.currentBranch();
      return { ...(branch !== undefined && { branch }) };
    },
    gitCurrentCommit: () => git.currentCommit(),
  };
}

/** A clone goes on when the caller leaves: the next one finds it done. */
async function* cloneEvents(
  git: GitWorkspace,
  input: CloneInput,
  onInternal: GitParts["onInternal"],
): AsyncGenerator<GitCloneEvent> {
  const events: GitCloneEvent[] = [];
  let bell = Promise.withResolvers<void>();
  const tell = (event: GitCloneEvent): void => {
    events.push(event);
    bell.resolve();
  };
  const failed = (thrown: unknown): void => {
    const reference = randomUUID();
    const error = toWharfError(thrown, reference);
    if (error.code === "internal") onInternal(reference, thrown);
    const { code, detail, next } = error.toProblem();
    tell({ type: "failed", code, message: detail, next });
  };
  void git.clone(input, { onProgress: tell }).then((cloned) => tell({ type: "cloned", ...cloned }), failed);
  for (;;) {
    await bell.promise;
    bell = Promise.withResolvers<void>();
    for (const event of events.splice(0)) {
      yield event;
      if (event.type !== "progress") return;
    }
  }
}

const NAMED = 3;

/** A message for work that nobody described. */
function summaryOf(paths: readonly string[]): string {
  const named = paths.slice(0, NAMED).join(", ");
  const more = paths.length - NAMED;
  return paths.length === 0 ? "" : `Change ${named}${more > 0 ? ` and ${more} more` : ""}`;
}
