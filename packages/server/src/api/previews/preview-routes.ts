import type { IncomingHttpHeaders } from "node:http";
import { runnerWorkspaceApi, taskWorkspaceApi } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { PreviewLinks, Scope } from "../../access/index.ts";
import type { RunnerWithRun } from "../../runners/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { findRunnerOfTask, type WorkspaceModules } from "../workspace/find-runner.ts";
import type { PreviewAddresses } from "./preview-addresses.ts";
import { createPreviewName } from "./preview-name.ts";

export type PreviewModules = Pick<WorkspaceModules, "tasks" | "queries" | "standaloneRunners"> & {
  readonly previewLinks: PreviewLinks;
};

interface PreviewRequest {
  readonly runner: RunnerWithRun;
  readonly port: number;
}

/** Serves the links to ports of runners. Creating one starts no runner. */
export function servePreviewRoutes(app: FastifyInstance, modules: PreviewModules, addresses: PreviewAddresses): void {
  const { previewLinks, standaloneRunners } = modules;
  const create = async (scope: Scope, headers: IncomingHttpHeaders, { runner, port }: PreviewRequest) => {
    const name = createPreviewName({ runnerId: runner.id, port });
    const url = addresses.createUrl(name, headers);
    return { ...(await previewLinks.create(scope, name)), url, runner_id: runner.id, port };
  };
  registerRoute(app, taskWorkspaceApi.createPreview, async ({ scope, params, body: { port } }, { request }) => {
    const runner = await findRunnerOfTask(modules, scope, params.task_id);
    return create(scope, request.headers, { runner, port });
  });
  registerRoute(app, runnerWorkspaceApi.createPreview, async ({ scope, params, body: { port } }, { request }) => {
    const runner = await standaloneRunners.get(scope, params.runner_id);
    return create(scope, request.headers, { runner, port });
  });
  registerRoute(app, taskWorkspaceApi.deletePreview, async ({ scope, params }) => {
    await modules.tasks.find(scope, params.task_id);
    await previewLinks.delete(scope, params.preview_id);
  });
  registerRoute(app, runnerWorkspaceApi.deletePreview, async ({ scope, params }) => {
    await standaloneRunners.get(scope, params.runner_id);
    await previewLinks.delete(scope, params.preview_id);
  });
}
