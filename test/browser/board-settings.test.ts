import { rmSync } from "node:fs";
import { api } from "@wharf/contract";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
const server = new ServerHarness(folder);
beforeAll(async () => {
  if (!present) return;
  await server.start();
  for (const username of ["ada", "vera"]) await server.client.call(api.addMember, { body: { username } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function createBoard(name: string): Promise<string> {
  return (await server.client.call(api.createBoard, { body: { name } })).id;
}

async function openSettings(browser: BrowserHarness, boardId: string, user?: string): Promise<Page> {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, `/boards/${boardId}/settings`, user);
  await page.getByRole("heading", { level: 2, name: "People" }).waitFor();
  return page;
}

const listMembers = async (boardId: string) => {
  const { members } = await server.client.call(api.listBoardMembers, { params: { board_id: boardId } });
  return Object.fromEntries(members.map(({ username, role }) => [username, role]));
};

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("the settings of a board are reached from the board, and accessible", async () => {
    const board = await createBoard("Shop");
    await using browser = await BrowserHarness.launch(options);
    const { page } = browser;
    page.setDefaultTimeout(timeoutMs);
    await browser.logIn(server, `/boards/${board}`);
    await page.getByRole("link", { name: "Settings of the board" }).click();
    await page.getByRole("button", { name: "Share" }).waitFor();
    await page.getByRole("form", { name: "New template" }).waitFor();
    expect(await browser.findAxeViolations()).toEqual([]);
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(options.viewport.width);
  });
});

test("an owner renames a board and shares it, and undoes both", async () => {
  const board = await createBoard("Sho");
  await using browser = await BrowserHarness.launch();
  const page = await openSettings(browser, board);
  await page.getByLabel("Name of the board").fill("Shop");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Settings of Shop" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("heading", { level: 1, name: "Settings of Sho", exact: true }).waitFor();

  await page.getByLabel("Share with").selectOption("ada");
  await page.getByLabel("As", { exact: true }).selectOption("viewer");
  await page.getByRole("button", { name: "Share" }).click();
  const role = page.getByLabel("Role of ada");
  await role.waitFor();
  await role.selectOption("owner");
  await expect.poll(() => listMembers(board)).toMatchObject({ ada: "owner" });
  await page.getByRole("button", { name: "Remove ada" }).click();
  await expect.poll(() => role.count()).toBe(0);
  expect(await listMembers(board)).not.toHaveProperty("ada");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await role.waitFor();
  expect(await listMembers(board)).toMatchObject({ ada: "owner" });
});

test("limits and templates are set, changed and removed", async () => {
  const board = await createBoard("Limits");
  await using browser = await BrowserHarness.launch();
  const page = await openSettings(browser, board);
  await page.getByText("No limit is set for this board.").waitFor();
  await page.getByLabel("Turns at the same time").fill("2");
  await page.keyboard.press("Enter");
  await page.getByText("At most 2 turns of this board run at the same time; 0 run now.").waitFor();
  await page.getByRole("button", { name: "Remove the limit" }).click();
  await page.getByText("No limit is set for this board.").waitFor();

  await page.getByLabel("Name of the template").fill("bug");
  await page.getByLabel("Prompt").fill("Fix {{issue}}");
  await page.getByRole("button", { name: "Save template" }).click();
  const row = page.getByRole("list", { name: "Templates" }).getByRole("listitem");
  await row.getByText("Fix {{issue}}").waitFor();
  await row.getByRole("button", { name: "Edit bug" }).click();
  await page.getByRole("form", { name: "Template bug" }).getByLabel("Prompt").fill("Fix {{issue}} and test it");
  await page.getByRole("button", { name: "Save template" }).click();
  await row.getByText("Fix {{issue}} and test it").waitFor();
  const { templates } = await server.client.call(api.listTemplates, {});
  expect(templates).toMatchObject([{ name: "bug", board_id: board, placeholders: ["issue"] }]);
  await row.getByRole("button", { name: "Remove bug" }).click();
  await page.getByText("The board has no templates.").waitFor();
  await page.getByRole("button", { name: "Undo" }).last().click();
  await row.getByText("Fix {{issue}} and test it").waitFor();
});

test("deleting a board says what is lost", async () => {
  const board = await createBoard("Old");
  for (const title of ["One", "Two"])
    await server.client.call(api.createTask, { params: { board_id: board }, body: { title, description: title } });
  await using browser = await BrowserHarness.launch();
  const page = await openSettings(browser, board);
  await page.getByRole("button", { name: "Delete board" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete the board Old?" });
  await dialog.getByText("2 tasks with their logs").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.keyboard.press("Escape");
  await expect.poll(() => dialog.count()).toBe(0);
  await page.getByRole("button", { name: "Delete board" }).click();
  await dialog.getByRole("button", { name: "Delete board" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/boards/") && !url.pathname.includes(board));
  const { boards } = await server.client.call(api.listBoards, {});
  expect(boards.map(({ id }) => id)).not.toContain(board);
  const { default_board_id } = await server.client.call(api.serverInfo, {});
  await page.goto(new URL(`/boards/${default_board_id}/settings`, page.url()).href);
  await page.getByText("which cannot be deleted").waitFor();
  expect(await page.getByRole("button", { name: "Delete board" }).count()).toBe(0);
});

test("a viewer of a board sees its settings and changes nothing", async () => {
  const board = await createBoard("Shared");
  const params = { board_id: board, user: "vera" };
  await server.client.call(api.shareBoard, { params, body: { role: "viewer" } });
  await using browser = await BrowserHarness.launch();
  const page = await openSettings(browser, board, "vera");
  await page.getByRole("list", { name: "People" }).getByText("vera").waitFor();
  await page.getByText("The board has no templates.").waitFor();
  const main = page.getByRole("main");
  expect(await main.getByRole("button").count()).toBe(0);
  expect(await main.getByRole("combobox").count()).toBe(0);
});
