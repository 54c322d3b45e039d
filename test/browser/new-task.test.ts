import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, expect } from "vitest";
import { BrowserHarness } from "../support/browser/browser-harness.ts";
import { createRepository, git } from "../support/repository.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
const server = new ServerHarness(folder);
beforeAll(async () => {
  if (present) await server.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("the form keeps what was typed, and starts a task with all that was chosen", async () => {
  mkdirSync(join(folder, "acme"));
  const repository = createRepository(join(folder, "acme/shop"));
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, "/new");
  const prompt = page.getByLabel("Prompt");
  await page.locator("textarea:focus").waitFor();
  await page.keyboard.type("Write a note\nabout the shop");
  await page.getByLabel("Repository").fill(repository);
  await page.getByLabel("Permissions").selectOption("Never asks");
  await page.getByLabel("Agent").selectOption("demo");
  await page.getByLabel("Budget in US dollars").fill("2.5");
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.reload();
  await expect.poll(() => prompt.inputValue()).toBe("Write a note\nabout the shop");
  expect(await page.getByLabel("Repository").inputValue()).toBe(repository);
  await prompt.press("Control+Enter");
  await page.waitForURL(/\/tasks\//);
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  expect(await server.task(id)).toMatchObject({
    title: "Write a note",
    description: "Write a note\nabout the shop",
    repository_url: repository,
    permission_policy: "allow-all",
    agent_type: "demo",
  });
  const { budgets } = await server.client.call(api.listBudgets, { query: { task_id: id } });
  expect(budgets).toMatchObject([{ amount_usd: 2.5 }]);
  await page.goto(new URL("/new", page.url()).href);
  await expect.poll(() => prompt.inputValue()).toBe("");
});

test("the branches of the repository are suggested, and another one can be typed", async () => {
  mkdirSync(join(folder, "branched"));
  const repository = createRepository(join(folder, "branched/shop"));
  git(repository, "branch", "release/2");
  await using browser = await BrowserHarness.launch({ expectedErrors: [/422/] });
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, "/new");
  const branch = page.getByLabel("Branch");
  await page.getByLabel("Repository").fill(join(folder, "nowhere"));
  await branch.focus();
  await page.getByText("There is no repository at", { exact: false }).waitFor();
  await page.getByLabel("Repository").fill(repository);
  await branch.focus();
  const suggestions = page.locator("datalist#branches option");
  await expect
    .poll(() => suggestions.evaluateAll((options) => options.map((option) => option.getAttribute("value"))))
    .toEqual(["main", "release/2"]);
  await branch.fill("release/3");
  await page.getByText("no branch of this name yet").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await branch.fill("release/2");
  await page.getByLabel("Prompt").fill("Release the shop");
  await page.getByRole("button", { name: "Add to the board" }).click();
  await page.getByRole("link", { name: "Release the shop" }).click();
  await page.getByRole("heading", { level: 1, name: "Release the shop" }).waitFor();
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  expect(await server.task(id)).toMatchObject({ repository_url: repository, branch: "release/2" });
});

test("a newcomer needs no knowledge of agents, and is asked for the repository", async () => {
  mkdirSync(join(folder, "new"));
  const repository = createRepository(join(folder, "new/shop"));
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, "/new");
  await page.getByLabel("Prompt").fill("Say hello");
  const input = page.getByLabel("Repository");
  await input.fill("");
  // The server has no model, and so no agent for tasks that name none.
  expect(await page.getByLabel("Agent").inputValue()).toBe("demo");
  await page.getByRole("button", { name: /^Start/ }).click();
  expect(await page.locator("input:invalid").getAttribute("id")).toBe(await input.getAttribute("id"));
  await page.getByRole("button", { name: "Add to the board" }).click();
  await page.getByRole("link", { name: "Say hello" }).click();
  await page.getByText("Where does the agent work?").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.getByLabel("Repository").fill(repository);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  await page.getByRole("textbox", { name: "Message" }).waitFor();
  expect(await server.task(id)).toMatchObject({ repository_url: repository, agent_type: "demo" });
});
