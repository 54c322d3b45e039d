import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { agentsBin } from "../scripts/test-services/agents/service.ts";
import { Conversation } from "./support/agents/conversation.ts";
import { AgentModels, realKey } from "./support/agents/models.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { addWordsServer } from "./support/agents/words.ts";
import { findFilesWith, findProcessesWith } from "./support/inspect-runner.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { withTestService } from "./support/test-services.ts";

let folder: string;
let wharf: ServerHarness;
let models: AgentModels;

beforeAll(async () => {
  folder = createScratchFolder();
  models = await AgentModels.start();
  wharf = new ServerHarness(folder, { PATH: `${agentsBin}:${process.env["PATH"]}`, ...models.environment });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the real agent", () => {
  // G-016
  withTestService("agents").test.for(realAgents)(
    "$name under the policy $policy streams, plans, uses an MCP server, writes a file, runs a command, asks as its policy requires, is cancelled and remembers, and the real key is nowhere in its sandbox",
    { timeout: 240_000 },
    async (agent) => {
      const remote = createRepository(join(folder, `${agent.name}-${agent.policy}`));
      await addWordsServer(wharf, agent);
      const conversation = new Conversation(wharf, { models, agent, remote, words: true });
      await conversation.work();
      // The agent's own shell searched already; this check covers every file of the runner, and the
      // environment and command line of each of its processes.
      const { greeting } = conversation;
      const runner = wharf.runnerIds().find((id) => findFilesWith(join(wharf.data, "runners", id), greeting)) ?? "none";
      expect(findFilesWith(join(wharf.data, "runners", runner), realKey)).toBeUndefined();
      expect(findProcessesWith(wharf, { runner, text: realKey })).toEqual([]);
      await conversation.cancel();
      await conversation.remember();
    },
  );
});
