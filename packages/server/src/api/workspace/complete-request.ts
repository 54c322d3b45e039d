import { createViewerId, WharfError, type WorkspaceRouteName } from "@wharf/contract";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { Scope } from "../../access/index.ts";
import type { RunnerWithRun } from "../../runners/index.ts";
import type { RunView } from "../../runs/index.ts";
import { addEnvironment } from "../routes/runner-routes.ts";
import type { WorkspaceModules } from "./find-runner.ts";

const ProgramBody = z.looseObject({ environment: z.record(z.string(), z.string()) });
const AnyBody = z.looseObject({});
const ViewerBody = z.looseObject({ viewer_id: z.string() });
const DiffQuery = z.looseObject({ turn: z.string() });

/**
 * Adds what the server knows and the caller may leave out: the runner's environment, and the author
 * of a commit.
 */
export async function completeBody(
  modules: WorkspaceModules,
  { name, runner, request }: { name: WorkspaceRouteName; runner: RunnerWithRun; request: FastifyRequest },
): Promise<unknown> {
  const { body, scope } = request;
  switch (name) {
    case "exec":
    case "execOnce":
    case "startCommand":
    case "createTerminal":
      return addEnvironment(modules, runner, ProgramBody.parse(body));
    case "gitCommit":
      return { ...(await modules.getAuthor(scope.user_id)), ...AnyBody.parse(body) };
    case "writeFile":
    case "replaceText":
    case "deletePath":
      return { ...getExpectedVersion(request), ...AnyBody.parse(body) };
    case "typeTerminal":
    case "ackTerminal":
      return nameViewer(modules, scope, ViewerBody.parse(body));
    default:
      return body ?? undefined;
  }
}

/**
 * Returns a request's query as the daemon understands it: with the commits of a turn, and with the
 * whole name of a viewer.
 */
export async function completeQuery(
  modules: WorkspaceModules,
  { name, runner, request }: { name: WorkspaceRouteName; runner: RunnerWithRun; request: FastifyRequest },
): Promise<Record<string, unknown>> {
  const query = AnyBody.parse(request.query);
  const viewer = ViewerBody.safeParse(query);
  if (viewer.success) return nameViewer(modules, request.scope, viewer.data);
  if (name !== "gitDiff" || query.turn === undefined) return query;
  const { base: _base, head: _head, turn, ...rest } = DiffQuery.parse(query);
  const { task_id: taskId } = await getRunOfRunner(modules, request.scope, runner);
  return { ...rest, ...(await modules.queries.getTurnCommits(taskId, turn)) };
}

/** Begins the name of a viewer with that of its user. */
async function nameViewer<V extends { viewer_id: string }>(
  { loginManagement }: Pick<WorkspaceModules, "loginManagement">,
  { user_id }: Scope,
  viewer: V,
): Promise<V> {
  return { ...viewer, viewer_id: createViewerId(await loginManagement.getName(user_id), viewer.viewer_id) };
}

/** Returns the run whose workspace a runner has. */
export async function getRunOfRunner(
  { queries }: Pick<WorkspaceModules, "queries">,
  scope: Scope,
  { run_id }: RunnerWithRun,
): Promise<RunView> {
  if (run_id === null) throw new WharfError("workspace_not_cloned", {});
  return queries.getRun(scope, run_id);
}

/** Returns the version of the file that the caller expects, from the header for it. */
const getExpectedVersion = ({ headers: { "if-match": tag } }: FastifyRequest) => (tag ? { if_match: tag } : {});
