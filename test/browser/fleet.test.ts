import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, runnerApi, type RunnerView, type Task } from "@wharf/contract";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
import { createRepository } from "../support/repository.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
const server = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1", WHARF_MAX_RUNS: "1", WHARF_POOL: "small=1" });
let task: Task;
let waiting: Task;
beforeAll(async () => {
  if (!present) return;
  await server.start();
  const repository_url = createRepository(join(folder, "remote"));
  task = await server.createTask({ title: "Paint the fence", repository_url });
  waiting = await server.createTask({ title: "Mow the lawn", repository_url });
  await server.prompt(task, "demo: hang");
  await server.until(task.id, ({ data }) => data.kind === "turn" && data.status === "started", timeoutMs);
  await server.prompt(waiting, "say hello");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const createRunner = (name: string): Promise<RunnerView> =>
  server.client.call(runnerApi.createRunner, { query: { wait: "true" }, body: { name } });
const readState = async ({ id }: RunnerView) =>
  (await server.client.call(runnerApi.getRunner, { params: { runner_id: id } })).state;

async function openFleet(browser: BrowserHarness, query = ""): Promise<Page> {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, `/fleet${query}`);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  return page;
}

const getRow = (page: Page, name: string) => page.getByRole("row").filter({ has: page.getByRole("link", { name }) });

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("the fleet shows runners with their work, the queue and the engine", async () => {
    const runner = await createRunner(`scratch ${options.colorScheme} ${options.viewport.width}`);
    await using browser = await BrowserHarness.launch(options);
    const page = await openFleet(browser);
    const runners = options.viewport === phone ? page.getByRole("listitem") : page.getByRole("row");
    const working = runners.filter({ has: page.getByRole("link", { name: task.title }) });
    await working.getByText("ready").waitFor();
    await working.getByText("demo").waitFor();
    await working.getByRole("link", { name: "task", exact: true }).waitFor();
    await runners
      .filter({ has: page.getByRole("link", { name: runner.name! }) })
      .getByText("no task")
      .waitFor();
    const queue = page.getByRole("region", { name: "Queue" });
    await queue.getByRole("link", { name: waiting.title }).waitFor();
    await queue.getByText("1 of 1 turns run").waitFor();
    const engine = page.getByRole("region", { name: "Engine" });
    await engine.getByText("works", { exact: true }).waitFor();
    await engine.getByText("database: ok").waitFor();
    await engine.getByText(/small: \d of 1 ready/).waitFor();
    expect(await browser.findAxeViolations()).toEqual([]);
    await page.screenshot({ path: join(folder, `fleet-${options.colorScheme}-${options.viewport.width}.png`) });
  });
});

test("runners are found, sorted and opened with keys, and the address has the choice", async () => {
  const names = ["alpha", "beta"];
  for (const name of names) await createRunner(name);
  await using browser = await BrowserHarness.launch();
  const page = await openFleet(browser, "?text=a&sort=name");
  const links = page.locator("[data-runner]").filter({ hasText: /^(?:alpha|beta)$/ });
  await expect.poll(() => links.allTextContents()).toEqual(names);
  await page.getByRole("columnheader", { name: "Runner" }).getByRole("button").press("Enter");
  await expect.poll(() => links.allTextContents()).toEqual(names.toReversed());
  expect(new URL(page.url()).searchParams.get("order")).toBe("down");
  await page.getByRole("searchbox", { name: "Search runners" }).fill("alpha");
  await expect.poll(() => page.locator("[data-runner]").allTextContents()).toEqual(["alpha"]);
  await page.waitForURL(/text=alpha/);
  await page.getByRole("columnheader", { name: "Runner" }).getByRole("button").focus();
  await page.keyboard.press("j");
  await expect.poll(() => page.locator(":focus").textContent()).toBe("alpha");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "alpha" }).waitFor();
});

test("a runner is created with keys, stopped, started and destroyed, after a question", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openFleet(browser);
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  await page.keyboard.press("c");
  const form = page.getByRole("dialog", { name: "Create a runner" });
  await form.getByLabel("Name").fill("workbench");
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "workbench" }).waitFor();
  const { runners } = await server.client.call(runnerApi.listRunners, {});
  const runner = runners.find(({ name }) => name === "workbench")!;

  const terminal = page.getByRole("region", { name: "Terminal", exact: true });
  await terminal.getByRole("button", { name: "New terminal" }).click();
  await terminal.getByText("Type to take the keyboard.").waitFor();
  await terminal.getByRole("textbox", { name: "Terminal input" }).pressSequentially("echo hello > note.txt\n");
  await terminal.getByText("You type.").waitFor();
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Files" }).click();
  const files = page.getByRole("region", { name: "Files", exact: true });
  await files.getByRole("link", { name: "note.txt" }).click();
  await files.getByRole("textbox", { name: "Content" }).getByText("hello").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);

  await page.getByRole("link", { name: "Back to the fleet" }).click();
  const row = getRow(page, "workbench");
  await row.getByRole("button", { name: "Stop workbench" }).click();
  const question = page.getByRole("dialog", { name: "Stop “workbench”?" });
  await question.getByText("Its disk is kept.").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  await row.getByRole("button", { name: "Stop workbench" }).click();
  await question.getByRole("button", { name: "Stop" }).click();
  await row.getByText("stopped").waitFor();
  await row.getByRole("button", { name: "Start workbench" }).click();
  await row.getByText("ready").waitFor();
  await row.getByRole("button", { name: "Destroy workbench" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
  await row.waitFor({ state: "detached" });
  expect(await readState({ ...runner, environment: {} })).toBe("DESTROYED");
});

test("a person who may only look is offered nothing that they may not do", async () => {
  const runner = await createRunner("not yours");
  const { path } = await server.client.call(api.createInvitation, {
    body: { email: "viewer@example.com", role: "viewer" },
  });
  const { default_board_id: board_id } = await server.client.call(api.serverInfo, {});
  const { url } = await server.client.locate();
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await page.goto(new URL(path, url).href);
  await page.getByLabel("Name").fill("viewer");
  await page.getByLabel("Password").fill("a long enough password");
  await page.getByRole("button").click();
  await page.getByText("You have no board yet.").waitFor();
  const sharing = { params: { board_id: board_id!, user: "viewer" }, body: { role: "viewer" as const } };
  await server.client.call(api.shareBoard, sharing);
  await page.goto(new URL("/fleet", url).href);
  const row = getRow(page, task.title);
  await row.getByText("ready").waitFor();
  expect(await row.getByRole("button").count()).toBe(0);
  expect(await page.getByRole("link", { name: runner.name! }).count()).toBe(0);
  expect(await page.getByRole("button", { name: /^(?:Create a runner|Pause the queue)$/ }).count()).toBe(0);
});

test("an agent is paused, continues and is stopped, and the queue is paused with an undo", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openFleet(browser);
  const row = getRow(page, task.title);
  await row.getByRole("button", { name: `Pause ${task.title}` }).click();
  await row.getByText("paused").waitFor();
  await row.getByRole("button", { name: `Resume ${task.title}` }).click();
  await row.getByRole("button", { name: `Pause ${task.title}` }).waitFor();

  const queue = page.getByRole("region", { name: "Queue" });
  await queue.getByRole("button", { name: "Pause the queue" }).click();
  await queue.getByText("turns run. The queue is paused.").waitFor();
  expect((await server.client.call(api.orchestratorStatus, {})).status).toBe("paused");
  await page.getByRole("button", { name: "Undo" }).click();
  await queue.getByRole("button", { name: "Pause the queue" }).waitFor();

  await row.getByRole("link", { name: task.title, exact: true }).focus();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("stop paint");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: /^Stop/ }).getByRole("button", { name: "Stop" }).click();
  await queue.getByText("No tasks wait.").waitFor();
  await server.until(waiting.id, ({ data }) => data.kind === "turn" && data.status === "ended", timeoutMs);
});
