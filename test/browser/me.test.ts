import { rmSync } from "node:fs";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
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

async function openMe(browser: BrowserHarness) {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, "/me");
  await page.getByRole("list", { name: "Logins" }).waitFor();
  return page;
}

/** Sends a request with a token, as a program does. */
async function request(token: string, path: string): Promise<number> {
  const { url } = await server.client.locate();
  return (await fetch(new URL(path, url), { headers: { authorization: `Bearer ${token}` } })).status;
}

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("the page of a person is accessible and leads to their passkeys", async () => {
    await using browser = await BrowserHarness.launch(options);
    const page = await openMe(browser);
    await page.getByLabel("Allows").selectOption("Only some things");
    await page.getByRole("checkbox", { name: /See tasks, their logs/ }).waitFor();
    expect(await browser.findAxeViolations()).toEqual([]);
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(options.viewport.width);
    await page.getByRole("link", { name: "Change how you log in" }).click();
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    await page.getByRole("link", { name: "Your logins and tokens" }).click();
    await page.getByRole("list", { name: "Logins" }).waitFor();
  });
});

test("a person ends one login or all others, and keeps their own", async () => {
  // A page learns by a refused request that its login has ended.
  const expectedErrors = [/status of 401/];
  await using lost = await BrowserHarness.launch({ expectedErrors });
  await using kept = await BrowserHarness.launch({ expectedErrors });
  const lostPage = await openMe(lost);
  const page = await openMe(kept);
  const logins = page.getByRole("list", { name: "Logins" }).getByRole("listitem");
  const before = await logins.count();
  await logins.filter({ hasNotText: "this one" }).getByRole("button", { name: "End" }).first().click();
  const dialog = page.getByRole("dialog", { name: "End this login?" });
  await dialog.getByText("has to log in again").waitFor();
  expect(await kept.findAxeViolations()).toEqual([]);
  await dialog.getByRole("button", { name: "End" }).click();
  await expect.poll(() => logins.count()).toBe(before - 1);
  await lostPage.reload();
  await lostPage.waitForURL(/\/login$/);

  await openMe(lost);
  await page.reload();
  await page.getByRole("button", { name: "End all other logins" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End all other logins" }).click();
  await expect.poll(() => logins.count()).toBe(1);
  await logins.getByText("this one").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(/\/login$/);
});

test("a token is shown once, may only do what was chosen, and is refused after it was revoked", async () => {
  await using browser = await BrowserHarness.launch();
  await browser.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await openMe(browser);
  await page.getByLabel("Name of the token").fill("deployment");
  await page.getByLabel("Expires").selectOption("in a week");
  await page.getByLabel("Allows").selectOption("Only some things");
  await page.getByRole("checkbox", { name: /task:read/ }).check();
  await page.keyboard.press("Enter");
  const secret = page.getByRole("group", { name: /The token deployment/ });
  const token = (await secret.getByText(/^wharf_pat_/).textContent()) ?? "";
  await secret.getByRole("button", { name: "Copy" }).click();
  await secret.getByRole("button", { name: "Copied" }).waitFor();
  expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe(token);
  expect([await request(token, "/api/v1/tasks"), await request(token, "/api/v1/boards")]).toEqual([200, 403]);
  const { tokens } = await server.client.call(api.listAccessTokens, {});
  const [created] = tokens.filter(({ name }) => name === "deployment");
  expect(created?.permissions).toEqual(["task:read"]);
  const lifetimeMs = Date.parse(created?.expires_at ?? "") - Date.parse(created?.created_at ?? "");
  expect(Math.round(lifetimeMs / 86_400_000)).toBe(7);

  await page.reload();
  const row = page.getByRole("list", { name: "Tokens" }).getByRole("listitem").filter({ hasText: "deployment" });
  await row.getByText("task:read").waitFor();
  expect(await page.getByText(token).count()).toBe(0);
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The token was revoked.").waitFor();
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  await expect.poll(() => row.count()).toBe(0);
  expect(await request(token, "/api/v1/tasks")).toBe(401);
});

test("the keys reach the page and everything on it", async () => {
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("logins and tokens");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/me$/);
  await page.getByLabel("Name of the token").focus();
  await page.keyboard.type("laptop");
  await page.keyboard.press("Enter");
  await page.getByRole("group", { name: /The token laptop/ }).waitFor();
  await page.locator("[role=group]:focus").waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect.poll(() => page.getByRole("group", { name: /The token laptop/ }).count()).toBe(0);
  const row = page.getByRole("list", { name: "Tokens" }).getByRole("listitem").filter({ hasText: "laptop" });
  await row.getByRole("button", { name: "Revoke" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  await expect.poll(() => page.locator(":focus").getAttribute("aria-label")).toBe("Revoke laptop");
  expect(await row.count()).toBe(1);
});

test("a person of several organizations chooses one for all pages, links and streams of the browser", async () => {
  const { id } = await server.client.call(api.createOrganization, { body: { name: "Second", slug: "second" } });
  await using browser = await BrowserHarness.launch();
  const page = await openMe(browser);
  const { url } = await server.client.locate();
  const other = await page.context().newPage();
  await other.goto(new URL("/me", url).href);
  const choice = (where: typeof page) => where.getByRole("combobox", { name: "Organization" });
  await choice(other).waitFor();
  await choice(page).selectOption(id);
  // The board of the organization is live: its stream has the choice, too.
  await page.waitForURL(/\/boards\//);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  await other.waitForURL(/\/boards\//);
  expect(await choice(other).locator("option:checked").textContent()).toBe("Second");
  expect(await browser.findAxeViolations()).toEqual([]);
  const read = (path: string) => page.evaluate<string>(`fetch("${path}").then((answer) => answer.text())`);
  expect(JSON.parse(await read("/api/v1/whoami"))).toMatchObject({ organization: { id }, role: "admin" });
  const card = page.getByRole("link", { name: "Write for the second" });
  const [board] = JSON.parse(await read("/api/v1/boards")).boards;
  const body = JSON.stringify({ title: "Write for the second", description: "demo: say hello" });
  await page.evaluate(
    `fetch("/api/v1/boards/${board.id}/tasks", { method: "POST", headers: { "content-type": "application/json" }, body: ${JSON.stringify(body)} })`,
  );
  await card.waitFor();
  await page.getByRole("link", { name: "Me", exact: true }).click();
  await page.getByRole("listitem").filter({ hasText: "Second" }).getByText("shown here").waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("organization");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/boards\//);
  await expect.poll(() => choice(page).locator("option:checked").textContent()).not.toBe("Second");
  expect(await card.count()).toBe(0);
});
