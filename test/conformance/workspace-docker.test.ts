import { afterAll, beforeAll, describe } from "vitest";
import { DockerHarness, type DockerServer } from "../support/docker-harness.ts";
import { withTestService } from "../support/test-services.ts";
import { openTaskWorkspace, type TaskWorkspace } from "./parts/workspace/task-workspace.ts";
import { taskWorkspace } from "./parts/workspace/workspace.ts";

const isSkipped = !withTestService("docker").present && !process.env["CI"];

describe.skipIf(isSkipped)("the workspace of a task in a container", () => {
  let harness: DockerHarness;
  let server: DockerServer;
  let workspace: TaskWorkspace;
  beforeAll(async () => {
    harness = DockerHarness.create();
    server = await harness.startServer("workspace");
    workspace = await openTaskWorkspace(server.wharf, harness.remote);
    await server.getRunnerId(workspace.task);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    harness?.[Symbol.dispose]();
  });
  taskWorkspace(() => workspace);
});
