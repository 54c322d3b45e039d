import { rmSync } from "node:fs";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { AgentScene } from "./support/agents/agent-scene.ts";
import { oneOfEachAgent } from "./support/agents/real-agents.ts";
import { createCanary } from "./support/canaries/canary.ts";
import { findInContainer, findInTexts } from "./support/canaries/leaks.ts";
import { createDockerCli } from "./support/docker-engines.ts";
import { eventually } from "./support/eventually.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { dockerAddress, ensureImage, withTestService } from "./support/test-services.ts";

/** Real agents in containers, each in its own image as `deploy/images` builds it. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
const host = dockerAddress();
const docker = createDockerCli(host);

let folder: string;
let scene: AgentScene;
let wharf: ServerHarness;
const runnerIds: string[] = [];

beforeAll(async () => {
  if (isSkipped) return;
  for (const { name } of oneOfEachAgent) ensureImage(name);
  folder = createScratchFolder();
  scene = await AgentScene.start(folder);
  wharf = new ServerHarness(folder, { WHARF_BACKEND: "docker", DOCKER_HOST: host, ...scene.environment });
  await wharf.start();
}, 600_000);

afterAll(async () => {
  if (isSkipped) return;
  const { tasks } = await wharf.client.call(api.listTasks, { query: { limit: 100 } });
  for (const { id: task_id } of tasks) await wharf.client.call(api.deleteTask, { params: { task_id } });
  const left = () => runnerIds.map((id) => docker("ps", "--all", "--quiet", "--filter", `name=wharf-${id}`)).join("");
  await eventually(left, "", 60_000);
  await wharf[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Returns what the engine tells about a container and its image. */
function describeContainer(name: string): Record<string, string> {
  const image = docker("inspect", "--format", "{{.Image}}", name);
  const described = docker("inspect", name, image);
  return { description: described, history: docker("history", "--no-trunc", image), log: docker("logs", name) };
}

async function searchRunner(id: string): Promise<string[]> {
  const name = `wharf-${id}`;
  // The first line is a heading.
  const pids = docker("top", name, "-eo", "pid").split(/\s+/).slice(1);
  return [...findInTexts(describeContainer(name)), ...findInContainer(pids)];
}

describe("the real agent in a container", () => {
  // G-016
  test.for(oneOfEachAgent)(
    "$name streams, writes a file, runs a command, asks first, is cancelled and remembers, and no key is in its container or image",
    { timeout: 240_000 },
    async (agent) => {
      // Gemini uses MCP servers in a trusted folder only; here it runs in one that is not.
      const task = await scene.work(wharf, agent, { words: agent.name !== "gemini", searchRunner });
      const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
      expect(agents).toMatchObject([{ backend: "docker" }]);
      runnerIds.push(agents[0]?.runner_id ?? "none");
    },
  );

  // G-016
  test("no key is in what the server keeps, logs or delivers", async () => {
    await scene.expectNoKeysAround(wharf);
  });

  test("the search finds a key in the description of a container", () => {
    const name = `wharf-planted-${process.pid}`;
    docker("create", "--name", name, "--env", `KEY=${createCanary("planted")}`, ensureImage("runner"));
    try {
      expect(findInTexts(describeContainer(name))).toEqual(["text description"]);
    } finally {
      docker("rm", name);
    }
  });
});
