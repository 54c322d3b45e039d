import { WharfError, type WorkspaceRouteName } from "@wharf/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { TaskBranch, TaskBranches } from "../../runs/index.ts";
import { getCallerSignal } from "../http/pass-through.ts";
import { branchAnswers } from "./branch-answers.ts";
import type { WorkspaceModules } from "./find-runner.ts";

export interface BranchModules extends Pick<WorkspaceModules, "queries" | "tasks"> {
  readonly branches: TaskBranches;
  readonly secrets: KnownSecrets;
}

/**
 * Why there is no runner for a request. `permission_missing` is the error of a person who may read
 * the workspace of a stopped runner and not start it. A person who may not read is refused below.
 */
const absences: ReadonlySet<string> = new Set(["workspace_closed", "workspace_removed", "permission_missing"]);

const TaskParams = z.object({ task_id: z.string() });
const Parts = z.looseObject({ turn: z.string().optional() });

type BranchAnswer = (branch: TaskBranch, input: unknown, signal: AbortSignal) => Promise<unknown>;
const answers: ReadonlyMap<string, BranchAnswer> = new Map(
  // The contract's schemas have parsed the input of each route; a map cannot express that.
  Object.entries(branchAnswers as unknown as Record<string, BranchAnswer>),
);

/** Answers a request from the branch of a task whose runner is absent, or throws the reason. */
export async function answerWithoutRunner(
  modules: BranchModules,
  { name, request, reply }: { name: WorkspaceRouteName; request: FastifyRequest; reply: FastifyReply },
  reason: unknown,
): Promise<unknown> {
  const answer = answers.get(name);
  const params = TaskParams.safeParse(request.params);
  if (!answer || !params.success || !(reason instanceof WharfError) || !absences.has(reason.code)) throw reason;
  const signal = getCallerSignal(reply);
  const task = await modules.tasks.find(request.scope, params.data.task_id);
  const branch = await modules.branches.open(task, signal);
  const { turn, ...query } = Parts.parse(request.query);
  const commits = turn === undefined ? {} : await modules.queries.getTurnCommits(task.id, turn);
  const result = await answer(branch, { ...query, ...Parts.parse(request.body ?? {}), ...commits }, signal);
  void reply.header("wharf-branch-commit", branch.head);
  return Buffer.isBuffer(result) ? result : modules.secrets.redactJson(result);
}
