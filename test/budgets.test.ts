import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, Budget } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Limits what a task's models may cost, and lets the task go on with more money. */
let folder: string;
let wharf: ServerHarness;
let model: ModelServer;
let asked = 0;

beforeAll(async () => {
  folder = createScratchFolder();
  model = await startGemini({
    key: "real-key",
    script: () => {
      asked++;
      return { text: "one two three" };
    },
  });
  const prices = join(folder, "prices.json");
  // More than 8,192 tokens of output may cost: about eight cents for each request.
  writeFileSync(prices, JSON.stringify({ prices: [{ models: ["x"], input: 1, output: 10 }] }));
  wharf = new ServerHarness(folder, {
    GEMINI_API_KEY: "real-key",
    GEMINI_BASE_URL: model.url,
    WHARF_PRICES: prices,
    WHARF_TASK_BUDGET: "0.05",
  });
  await wharf.start();
  await addAskingAgent(wharf);
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const readBudgets = async (...args: string[]) =>
  z.object({ budgets: z.array(Budget) }).parse(JSON.parse((await wharf.cli("budget", "--json", ...args)).stdout))
    .budgets;

test("a task without room in its budget waits, and continues when a person raises it", async () => {
  const repository_url = createRepository(join(folder, "repository"));
  const task = await wharf.createTask({ repository_url, agent_type: "asking", title: "ask a model" });
  await wharf.prompt(task, "demo: model first");
  await wharf.until(task.id, ({ data }) => data.kind === "state" && data.entity === "task" && data.to === "BLOCKED");
  await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "ended");
  expect(asked).toBe(0);
  expect((await wharf.client.call(api.getTask, { params: { task_id: task.id } })).state).toBe("BLOCKED");
  expect(await readBudgets("--for", task.id)).toMatchObject([
    { source: "setting", amount_usd: 0.05, spent_usd: 0, reserved_usd: 0 },
  ]);
  const logs = await wharf.cli("task", "logs", task.id);
  expect(logs.stdout).toContain(`wharf budget set --task ${task.id} <amount>`);

  const raised = await wharf.cli("budget", "set", "--task", task.id.slice(0, 8), "2.5");
  expect(raised.stdout).toBe("The task 'ask a model' may spend $2.50; $0.00 is spent.\n");
  await wharf.until(task.id, ({ data }) => data.kind === "state" && data.entity === "task" && data.to === "REVIEW");
  await wharf.turn(task, "demo: model second");
  expect(asked).toBe(1);
  const [budget] = await readBudgets();
  expect(budget).toMatchObject({ scope: "task", name: "ask a model", source: "person", reserved_usd: 0 });
  expect(budget!.spent_usd).toBeGreaterThan(0);
  const shown = await wharf.cli("budget");
  expect(shown.stdout).toMatch(
    /^BUDGET +FOR +NAME .*\n[0-9a-f]{8} +task +ask a model +total +\$0\.\d+ +\$0\.00 +\$2\.50/,
  );
  expect((await wharf.cli("budget", "rm", budget!.id.slice(0, 8))).stdout).toBe("Removed the budget of the task.\n");
});

test("budgets of boards, users and the organization are set and removed, and wrong ones are refused", async () => {
  const { client } = wharf;
  const { boards } = await client.call(api.listBoards, {});
  const board_id = boards[0]!.id;
  const set = (body: object) => client.call(api.setBudget, { body: { amount_usd: 1, period: "total", ...body } });
  expect(await set({ board_id })).toMatchObject({ scope: "board", board_id, action: "pause", warn_share: 0.8 });
  expect(await set({ board_id, amount_usd: 2, action: "stop" })).toMatchObject({ amount_usd: 2, action: "stop" });
  // A change keeps what it does not name.
  expect(await set({ board_id, amount_usd: 3 })).toMatchObject({ amount_usd: 3, action: "stop" });
  expect(await set({ user: "owner", period: "day" })).toMatchObject({ scope: "user", name: "owner" });
  expect(await set({ period: "month" })).toMatchObject({ scope: "organization", period_end: expect.any(String) });
  const unknown = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
  for (const [body, code] of [
    [{ task_id: unknown, board_id }, "bad_request"],
    [{ amount_usd: -1 }, "bad_request"],
    [{ warn_share: 0 }, "bad_request"],
    [{ period: "week" }, "bad_request"],
    [{ user: "missing" }, "budget_user_not_found"],
    [{ user: unknown }, "budget_user_not_found"],
    [{ task_id: unknown }, "task_not_found"],
    [{ board_id: unknown }, "board_not_found"],
  ] as const)
    await expect(set(body)).rejects.toMatchObject({ code });
  const budgets = await readBudgets();
  expect(budgets.map(({ scope }) => scope).toSorted()).toEqual(["board", "organization", "user"]);
  for (const { id } of budgets) await wharf.cli("budget", "rm", id);
  expect(await readBudgets()).toEqual([]);
  const gone = await wharf.cli("budget", "rm", budgets[0]!.id);
  expect(gone).toMatchObject({ code: 2, stderr: expect.stringContaining("There is no budget") });
});
