import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { agentsBin } from "../scripts/test-services/agents/service.ts";
import { AgentScene } from "./support/agents/agent-scene.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { findInLocalRunner } from "./support/canaries/local-search.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { withTestService } from "./support/test-services.ts";

let folder: string;
let scene: AgentScene;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  scene = await AgentScene.start(folder);
  wharf = new ServerHarness(folder, { PATH: `${agentsBin}:${process.env["PATH"]}`, ...scene.environment });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the real agent", () => {
  // G-016
  withTestService("agents").test.for(realAgents)(
    "$name under the policy $policy streams, plans, uses an MCP server, writes a file, runs a command, asks as its policy requires, is cancelled and remembers, and no key is in its sandbox",
    { timeout: 240_000 },
    async (agent) => {
      await scene.work(wharf, agent, { searchRunner: async (id) => findInLocalRunner(wharf, id) });
    },
  );
});

// G-016
withTestService("agents").test(
  "no key of a model, a git host or a registry is in what the server keeps, logs or delivers",
  async () => {
    await scene.expectNoKeysAround(wharf);
  },
);
