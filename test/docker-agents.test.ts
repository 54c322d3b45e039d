import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { canaries, CanaryHosts, gitCanary, readRegistry } from "./support/agents/canaries.ts";
import { Conversation } from "./support/agents/conversation.ts";
import { AgentModels } from "./support/agents/models.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { addWordsServer } from "./support/agents/words.ts";
import { createDockerCli } from "./support/docker-engines.ts";
import { eventually } from "./support/eventually.ts";
import { findInContainer } from "./support/inspect-runner.ts";
import { createRepository } from "./support/repository.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
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
let hosts: CanaryHosts;
const runnerIds: string[] = [];

beforeAll(async () => {
  if (isSkipped) return;
  ensureImage("gemini");
  ensureImage("claude");
  folder = createScratchFolder();
  models = await AgentModels.start();
  hosts = await CanaryHosts.start(folder);
  const keys = { ...models.environment, ...hosts.environment };
  wharf = new ServerHarness(folder, { WHARF_BACKEND: "docker", DOCKER_HOST: host, ...keys });
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
  await hosts[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Searches the runner for the server's keys; the same search finds one that is planted. */
async function expectNoKeys(id: string): Promise<void> {
  const runners = new RunnerCommands(wharf);
  const read = await runners.exec({ id }, readRegistry);
  expect(read.stdout.toString()).toContain('"name":"is-number"');
  const container = `wharf-${id}`;
  const image = docker("inspect", "--format", "{{.Image}}", container);
  const texts = [
    docker("inspect", container, image),
    docker("history", "--no-trunc", image),
    docker("logs", container),
    read.stdout.toString(),
  ];
  for (const canary of canaries) expect(texts.filter((text) => text.includes(canary))).toEqual([]);
  // The first line is a heading.
  const pids = docker("top", container, "-eo", "pid").split(/\s+/).slice(1);
  expect(findInContainer(pids, canaries)).toEqual([]);
  const half = gitCanary.length / 2;
  const plant = `printf %s%s ${gitCanary.slice(0, half)} ${gitCanary.slice(half)} > ~/planted`;
  await runners.exec({ id }, plant);
  expect(findInContainer(pids, canaries).join()).toContain("planted");
  await runners.exec({ id }, "rm ~/planted");
}

describe("the real agent in a container", () => {
  // G-016
  test.for(agents)(
    "$name streams, writes a file, runs a command, asks first, is cancelled and remembers, and no key is in its container or image",
    { timeout: 240_000 },
    async (agent) => {
      const remote = createRepository(join(folder, agent.name));
      // Gemini uses MCP servers in a trusted folder only; here it runs in one that is not.
      const words = agent.name === "claude";
      if (words) await addWordsServer(wharf, agent);
      const address = `${hosts.git.url}/${agent.name}`;
      const conversation = new Conversation(wharf, { models, agent, remote, address, words });
      await conversation.work();
      const { agents: runs } = await wharf.client.call(api.listTaskAgents, {
        params: { task_id: conversation.task.id },
      });
      expect(runs).toMatchObject([{ backend: "docker" }]);
      const runnerId = runs[0]?.runner_id ?? "none";
      runnerIds.push(runnerId);
      await expectNoKeys(runnerId);
      await conversation.cancel();
      await conversation.remember();
    },
  );
});
