import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { agentsBin } from "../scripts/test-services/agents/service.ts";
import { canaries, CanaryHosts, gitCanary, readRegistry } from "./support/agents/canaries.ts";
import { Conversation } from "./support/agents/conversation.ts";
import { AgentModels } from "./support/agents/models.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { addWordsServer } from "./support/agents/words.ts";
import { findFilesWith, findProcessesWith } from "./support/inspect-runner.ts";
import { createRepository } from "./support/repository.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";
import { withTestService } from "./support/test-services.ts";

let folder: string;
let wharf: ServerHarness;
let models: AgentModels;
let hosts: CanaryHosts;

beforeAll(async () => {
  folder = createScratchFolder();
  models = await AgentModels.start();
  hosts = await CanaryHosts.start(folder);
  const keys = { ...models.environment, ...hosts.environment };
  wharf = new ServerHarness(folder, { PATH: `${agentsBin}:${process.env["PATH"]}`, ...keys });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
  await hosts[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the real agent", () => {
  // G-016
  withTestService("agents").test.for(realAgents)(
    "$name under the policy $policy streams, plans, uses an MCP server, writes a file, runs a command, asks as its policy requires, is cancelled and remembers, and the real key is nowhere in its sandbox",
    { timeout: 240_000 },
    async (agent) => {
      const name = `${agent.name}-${agent.policy}`;
      const remote = createRepository(join(folder, name));
      const address = `${hosts.git.url}/${name}`;
      await addWordsServer(wharf, agent);
      const conversation = new Conversation(wharf, { models, agent, remote, address, words: true });
      await conversation.work();
      // The agent's own shell searched already; this check covers every file of the runner, and the
      // environment and command line of each of its processes.
      const { greeting } = conversation;
      const runner = wharf.runnerIds().find((id) => findFilesWith(join(wharf.data, "runners", id), greeting)) ?? "none";
      for (const canary of canaries) {
        expect(findFilesWith(join(wharf.data, "runners", runner), canary)).toBeUndefined();
        expect(findProcessesWith(wharf, { runner, text: canary })).toEqual([]);
      }
      await conversation.cancel();
      await conversation.remember();
    },
  );
});

withTestService("agents").test(
  "no key of a model, a git host or a registry is anywhere but in the server's memory",
  async () => {
    const runners = new RunnerCommands(wharf);
    const runner = await runners.create();
    const read = await runners.exec(runner, readRegistry);
    expect(read.stdout.toString()).toContain('"name":"is-number"');
    expect(hosts.registryRequests).toBeGreaterThan(0);
    expect(hosts.git.requests).toBeGreaterThan(0);

    const { tasks } = await wharf.client.call(api.listTasks, { query: { limit: 100 } });
    const logs = await Promise.all(tasks.map(async ({ id }) => JSON.stringify(await wharf.events(id))));
    const commits = tasks.map(({ repository_url }) => {
      const remote = join(folder, (repository_url ?? "").slice(hosts.git.url.length));
      return execFileSync("git", ["-C", remote, "log", "--all", "--patch"], { maxBuffer: 2 ** 27 }).toString();
    });
    expect(commits.join()).toContain("hello.txt");
    for (const canary of canaries) {
      // The folder has the database, the mirrors, the runners' disks and their journals.
      expect(findFilesWith(wharf.data, canary)).toBeUndefined();
      const texts = [...logs, ...commits, wharf.output, read.stdout.toString(), read.stderr];
      expect(texts.filter((text) => text.includes(canary))).toEqual([]);
    }
    // The same search finds a key that is there.
    const planted = join(wharf.data, "runners", runner.id, "workspace", "planted.txt");
    writeFileSync(planted, `key=${gitCanary}\n`);
    expect(findFilesWith(wharf.data, gitCanary)).toBe(`${planted}\n`);
  },
);
