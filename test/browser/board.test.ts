import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Task, type TaskInput } from "@wharf/contract";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { BrowserHarness, phone } from "../support/browser/browser-harness.ts";
import { createRepository } from "../support/repository.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
const server = new ServerHarness(folder);
let repository = "";
beforeAll(async () => {
  if (!present) return;
  mkdirSync(join(folder, "acme"));
  repository = createRepository(join(folder, "acme/shop"));
  await server.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Each test has its own board. */
async function createBoard(name: string): Promise<string> {
  return (await server.client.call(api.createBoard, { body: { name } })).id;
}

const createTask = (boardId: string, title: string, fields: Partial<TaskInput> = {}): Promise<Task> =>
  server.client.call(api.createTask, { params: { board_id: boardId }, body: { title, description: title, ...fields } });

async function openBoard(browser: BrowserHarness, boardId: string, query = ""): Promise<Page> {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, `/boards/${boardId}${query}`);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  return page;
}

const getColumn = (page: Page, name: string) => page.getByRole("region", { name });

test("a board shows what happens, and the agent's question is answered on its card", async () => {
  const board = await createBoard("Live");
  await using browser = await BrowserHarness.launch();
  const page = await openBoard(browser, board);
  const task = await createTask(board, "Write a note", {
    repository_url: repository,
    agent_type: "demo",
    permission_policy: "ask",
  });
  await getColumn(page, "To do").getByRole("link", { name: "Write a note" }).waitFor();
  await server.prompt(task, "write something");
  const needsYou = getColumn(page, "Needs you");
  await needsYou.getByRole("link", { name: "Write a note" }).waitFor();
  await expect.poll(() => page.title()).toBe("(1) Live – Wharf");
  await needsYou.getByText(/^Asks: Write/).waitFor();
  await needsYou.getByRole("button", { name: "Allow", exact: true }).click();
  await getColumn(page, "Review").getByRole("link", { name: "Write a note" }).waitFor();
  expect((await server.task(task.id)).state).toBe("REVIEW");
  expect(await browser.findAxeViolations()).toEqual([]);
});

test("the keys select, archive and undo, and the address has the search", async () => {
  const board = await createBoard("Keys");
  for (const title of ["One apple", "Two pears", "Three apples"]) await createTask(board, title);
  await using browser = await BrowserHarness.launch();
  const page = await openBoard(browser, board, "?text=apple");
  const cards = page.getByRole("article");
  await expect.poll(() => cards.count()).toBe(2);
  await page.getByLabel("Search the titles").fill("pears");
  await page.waitForURL(/text=pears/);
  await expect.poll(() => cards.count()).toBe(1);
  await page.getByRole("button", { name: "Clear" }).click();
  await expect.poll(() => cards.count()).toBe(3);
  await page.keyboard.press("j");
  const first = page.getByRole("link", { name: "Three apples" });
  await expect.poll(() => page.locator(":focus").textContent()).toBe("Three apples");
  await page.keyboard.press("x");
  await page.getByRole("toolbar", { name: "Selected tasks" }).getByText("1 selected").waitFor();
  await page.keyboard.press("x");
  await page.keyboard.press("e");
  await expect.poll(() => cards.count()).toBe(2);
  await page.getByRole("button", { name: "Undo" }).click();
  await first.waitFor();
  await page.keyboard.press("Control+k");
  const search = page.getByRole("combobox", { name: "Find a command or a task" });
  await search.fill("two pea");
  await page.getByRole("option", { name: "Two pears" }).waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.keyboard.press("Escape");
  await first.focus();
  await page.keyboard.press("Control+k");
  await search.fill("accept");
  await page.keyboard.press("Enter");
  await getColumn(page, "Done").getByRole("link", { name: "Three apples" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
});

test("tasks are added in place, and moved by dragging and by menu", async () => {
  const board = await createBoard("Moves");
  await using browser = await BrowserHarness.launch();
  const page = await openBoard(browser, board);
  await page.getByLabel("Add a task").fill("Paint the fence");
  await page.keyboard.press("Enter");
  const card = page.getByRole("article").filter({ hasText: "Paint the fence" });
  await getColumn(page, "To do").getByRole("link", { name: "Paint the fence" }).waitFor();
  await card.dragTo(getColumn(page, "Done"));
  await getColumn(page, "Done").getByRole("link", { name: "Paint the fence" }).waitFor();
  await page.getByRole("button", { name: "Actions for Paint the fence" }).click();
  await page.getByRole("menuitem", { name: "Reopen" }).click();
  await getColumn(page, "To do").getByRole("link", { name: "Paint the fence" }).waitFor();
  // Only the agent decides that a task waits for a person.
  await card.dragTo(getColumn(page, "Needs you"));
  const { tasks } = await server.client.call(api.listBoardTasks, { params: { board_id: board } });
  expect(tasks.map(({ state }) => state)).toEqual(["TODO"]);
});

test("of many tasks only the visible ones are in the page", async () => {
  const board = await createBoard("Many");
  const count = 200;
  for (let i = 0; i < count; i += 20)
    await Promise.all(Array.from({ length: 20 }, (_, k) => createTask(board, `Task ${i + k}`)));
  const last = await createTask(board, "The most important task", { priority: 10 });
  await using browser = await BrowserHarness.launch({ viewport: phone });
  const page = await openBoard(browser, board);
  await page.getByRole("link", { name: last.title }).waitFor();
  await page.getByText(String(count + 1), { exact: true }).waitFor();
  expect(await page.getByRole("article").count()).toBeLessThan(40);
  await page.getByRole("link", { name: last.title }).focus();
  for (let i = 0; i < 60; i++) await page.keyboard.press("j");
  await expect.poll(() => page.getByRole("link", { name: last.title }).count()).toBe(0);
});

test("a lost connection is shown, refuses changes, and nothing is missing afterwards", async () => {
  const board = await createBoard("Restart");
  const task = await createTask(board, "Before");
  await using browser = await BrowserHarness.launch({ expectedErrors: [/Failed to load resource|WebSocket/] });
  // The menu is loaded before it is needed.
  const menu = browser.page.waitForResponse(/\/task-menu-/);
  const page = await openBoard(browser, board);
  await page.getByRole("link", { name: "Before" }).waitFor();
  await menu;
  await page.waitForLoadState("networkidle");
  const context = page.context();
  await context.setOffline(true);
  await page.getByRole("status").filter({ hasText: "no connection" }).waitFor();
  await page.getByRole("button", { name: "Actions for Before" }).click();
  await page.getByRole("menuitem", { name: "Accept" }).click();
  await page.getByText("Nothing was changed: there is no connection to the server.").waitFor();
  await createTask(board, "Meanwhile");
  await context.setOffline(false);
  await page.getByRole("link", { name: "Meanwhile" }).waitFor();
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  expect(await page.getByRole("article").count()).toBe(2);
  expect((await server.task(task.id)).state).toBe("TODO");
});
