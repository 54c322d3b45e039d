import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { Conversation } from "./support/agents/conversation.ts";
import { AgentModels, realKey } from "./support/agents/models.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { addWordsServer } from "./support/agents/words.ts";
import { createDockerCli } from "./support/docker-engines.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { dockerAddress, ensureImage, withTestService } from "./support/test-services.ts";

/** Real agents in containers, each in its own image as `deploy/images` builds it. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
const host = dockerAddress();
const docker = createDockerCli(host);
const agents = realAgents.filter(({ name }) => name === "gemini" || name === "claude");

let folder: string;
let wharf: ServerHarness;
let models: AgentModels;
const runnerIds: string[] = [];

beforeAll(async () => {
  if (isSkipped) return;
  ensureImage("gemini");
  ensureImage("claude");
  folder = createScratchFolder();
  models = await AgentModels.start();
  wharf = new ServerHarness(folder, { WHARF_BACKEND: "docker", DOCKER_HOST: host, ...models.environment });
  await wharf.start();
}, 600_000);

afterAll(async () => {
  if (isSkipped) return;
  const { tasks } = await wharf.client.call(api.listTasks, { query: { limit: 100 } });
  for (const { id: task_id } of tasks) await wharf.client.call(api.deleteTask, { params: { task_id } });
  const left = () => runnerIds.map((id) => docker("ps", "--all", "--quiet", "--filter", `name=wharf-${id}`)).join("");
  await eventually(left, "", 60_000);
  await wharf[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the real agent in a container", () => {
  // G-016
  test.for(agents)(
    "$name streams, writes a file, runs a command, asks first, is cancelled and remembers, and the real key is nowhere inside",
    { timeout: 240_000 },
    async (agent) => {
      const remote = createRepository(join(folder, agent.name));
      // Gemini uses MCP servers in a trusted folder only; here it runs in one that is not.
      const words = agent.name === "claude";
      if (words) await addWordsServer(wharf, agent);
      const conversation = new Conversation(wharf, { models, agent, remote, words });
      await conversation.work();
      const { agents: runs } = await wharf.client.call(api.listTaskAgents, {
        params: { task_id: conversation.task.id },
      });
      expect(runs).toMatchObject([{ backend: "docker" }]);
      const runnerId = runs[0]?.runner_id ?? "none";
      runnerIds.push(runnerId);
      expect(docker("inspect", `wharf-${runnerId}`)).not.toContain(realKey);
      await conversation.cancel();
      await conversation.remember();
    },
  );
});
