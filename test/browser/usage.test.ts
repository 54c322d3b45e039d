import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, UsageReport } from "@wharf/contract";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { addAskingAgent } from "../support/agents/asking-agent.ts";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
import { eventually } from "../support/eventually.ts";
import { type ModelServer, startGemini } from "../support/models/index.ts";
import { createRepository } from "../support/repository.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
let model: ModelServer;
let server: ServerHarness;
beforeAll(async () => {
  if (!present) return;
  model = await startGemini({ key: "real-key", script: () => ({ text: "one two three" }) });
  const prices = join(folder, "prices.json");
  // A dollar for each request, or a little more.
  writeFileSync(prices, JSON.stringify({ prices: [{ models: ["x"], input: 100_000, output: 100_000 }] }));
  server = new ServerHarness(folder, {
    WHARF_LOCAL_UNSAFE: "1",
    GEMINI_API_KEY: "real-key",
    GEMINI_BASE_URL: model.url,
    WHARF_PRICES: prices,
  });
  await server.start();
  const agent_type = await addAskingAgent(server);
  const repository_url = createRepository(join(folder, "remote"));
  const task = await server.createTask({ title: "Ask a model", repository_url, agent_type });
  await server.turn(task, "demo: model first\ndemo: model second");
  const { total } = await server.client.call(api.getUsage, { query: { task_id: task.id } });
  expect(total).toMatchObject({ requests: 2, unpriced_requests: 0 });
  await server.client.call(api.setBudget, { body: { amount_usd: total.cost_usd * 2, period: "month" } });
  await server.client.call(api.setBudget, { body: { task_id: task.id, amount_usd: total.cost_usd } });
  const readResources = () => server.client.call(api.getResourceUsage, {});
  await eventually(async () => (await readResources()).total.cpu_seconds > 0, true, timeoutMs);
}, 2 * timeoutMs);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await model?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openUsage(browser: BrowserHarness, query = ""): Promise<Page> {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, `/usage${query}`);
  await page.getByRole("heading", { name: "Usage", exact: true }).waitFor();
  return page;
}

async function download(page: Page, link: Locator): Promise<{ readonly name: string; readonly text: string }> {
  const [file] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
}

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("usage shows totals, charts with tables, and budgets with their burn", async () => {
    await using browser = await BrowserHarness.launch(options);
    const page = await openUsage(browser);
    const chart = page.getByRole("img", { name: /^Cost: \$\d/ });
    await chart.waitFor();
    await page.screenshot({ path: join(folder, `usage-${options.colorScheme}-${options.viewport.width}.png`) });
    await page.getByText("Table", { exact: true }).click();
    const days = page.getByRole("region", { name: "Cost per day" }).getByRole("row");
    await expect.poll(() => days.count()).toBe(1 + 30);
    const row = page.getByRole("region", { name: "Usage by Model" }).getByRole("row", { name: /^x/ });
    await row.getByText(/^\$\d/).waitFor();
    const budgets = page.getByRole("region", { name: "Budgets" }).getByRole("listitem");
    await budgets
      .filter({ hasText: "Organization" })
      .getByText(/\(50 %\), then tasks wait/)
      .waitFor();
    const taskBudget = budgets.filter({ has: page.getByRole("link", { name: "Ask a model" }) });
    await taskBudget.getByText(/\(100 %\)/).waitFor();
    expect(await browser.findAxeViolations()).toEqual([]);
  });
});

test("the address has the range, the measure and the group, which keys choose", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openUsage(browser, "?measure=cpu&by=user");
  const { user } = await server.client.call(api.whoami, {});
  const table = page.getByRole("region", { name: "Usage by User" });
  await table.getByRole("row", { name: user.username }).waitFor();
  await page.getByRole("img", { name: /^CPU time: / }).waitFor();
  await page.getByLabel("Time", { exact: true }).focus();
  await page.keyboard.press("Home");
  await page.getByRole("img", { name: /per hour$/ }).waitFor();
  expect(new URL(page.url()).searchParams.get("days")).toBe("1");
  await page.getByLabel("Group").selectOption("By size");
  await page.getByRole("region", { name: "Usage by Size" }).getByRole("row", { name: "small" }).waitFor();
  await page.getByLabel("Group").selectOption("By model");
  await page.getByText("CPU time is that of runners, and not known by model.").waitFor();
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ days: "1", measure: "cpu", by: "model" });
  expect(await browser.findAxeViolations()).toEqual([]);
});

test("a report is downloaded as the command line prints it", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openUsage(browser, "?by=user");
  const csv = await download(page, page.getByRole("link", { name: "Download by user as CSV" }));
  expect(csv).toEqual({
    name: "usage.csv",
    text: (await server.cli("usage", "--by", "user", "--csv")).stdout,
  });
  const json = await download(page, page.getByRole("link", { name: "Download by user as JSON" }));
  const { rows } = UsageReport.parse(JSON.parse((await server.cli("usage", "--by", "user", "--json")).stdout));
  expect([json.name, UsageReport.parse(JSON.parse(json.text)).rows]).toEqual(["usage.json", rows]);
});

test("the palette leads to the usage and to the fleet", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openUsage(browser);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("fleet");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("budgets");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Usage", exact: true }).waitFor();
});
