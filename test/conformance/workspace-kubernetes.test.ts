import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { ClusterHarness } from "../support/cluster-harness.ts";
import { createRepository } from "../support/repository.ts";
import { createScratchFolder } from "../support/server-harness.ts";
import { ensureClusterImage, withTestService } from "../support/test-services.ts";
import { openTaskWorkspace, type TaskWorkspace } from "./parts/workspace/task-workspace.ts";
import { taskWorkspace } from "./parts/workspace/workspace.ts";

const isSkipped = !withTestService("kubernetes").present && !process.env["CI"];

describe.skipIf(isSkipped)("the workspace of a task in a pod", () => {
  let folder: string;
  let cluster: ClusterHarness;
  let workspace: TaskWorkspace;
  beforeAll(async () => {
    folder = createScratchFolder();
    const remote = createRepository(join(folder, "remote"));
    cluster = await ClusterHarness.open({ name: "workspace", folder, image: ensureClusterImage("runner") });
    workspace = await openTaskWorkspace(cluster.wharf, remote);
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  taskWorkspace(() => workspace);
});
