import type { WorkspaceRouteName } from "@wharf/contract";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { RunnerWithRun } from "../../runners/index.ts";
import { addEnvironment } from "../routes/runner-routes.ts";
import type { WorkspaceModules } from "./find-runner.ts";

const ProgramBody = z.looseObject({ environment: z.record(z.string(), z.string()) });
const AnyBody = z.looseObject({});

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
    default:
      return body ?? undefined;
  }
}

/** Returns the version of the file that the caller expects, from the header for it. */
const getExpectedVersion = ({ headers: { "if-match": tag } }: FastifyRequest) => (tag ? { if_match: tag } : {});
