import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

let folder: string;
let wharf: ServerHarness;
beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_BACKEND: "mock", WHARF_MAX_RUN_LOG_MB: "1" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a run that fills its log ends with a clear error, and other tasks continue", async () => {
  const task = await wharf.createTask({ repository_url: createRepository(join(folder, "remote")) });
  await wharf.prompt(task, "demo: flood 200000");
  const events = await wharf.until(task.id, ({ data }) => data.kind === "failure", 90_000);
  const failure = events.find(({ data }) => data.kind === "failure")?.data;
  expect(failure).toMatchObject({ code: "log_full", next: expect.stringContaining("WHARF_MAX_RUN_LOG_MB") });
  await wharf.until(task.id, ({ data }) => data.kind === "state" && data.entity === "run" && data.to === "FAILED");
  const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
  expect(agents).toMatchObject([{ status: "FAILED", error_code: "log_full" }]);
  expect((await wharf.task(task.id)).state).toBe("FAILED");
  expect(events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0)).toBeLessThan(1.2 * (1 << 20));
  const other = await wharf.createTask({ repository_url: join(folder, "remote") });
  expect(getAgentText(await wharf.turn(other, "demo: say here"))).toContain("here");
});
