import { rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { api } from "@wharf/contract";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
import { createRepository } from "../support/repository.ts";
import { createScratchFolder, ServerHarness, timeoutMs } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test, present } = withTestService("chromium");

const folder = createScratchFolder();
const server = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1", GEMINI_API_KEY: "a-key-that-no-page-shows" });
beforeAll(async () => {
  if (!present) return;
  await server.start();
  await server.client.call(api.addMember, { body: { username: "vera", role: "viewer" } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function openAdmin(browser: BrowserHarness, section: string): Promise<Page> {
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, `/admin/${section}`);
  await page.getByRole("navigation", { name: "Administration" }).waitFor();
  return page;
}

const getRow = (page: Page, list: string, text: string) =>
  page.getByRole("list", { name: list, exact: true }).getByRole("listitem").filter({ hasText: text });

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("every part of the administration is reached from the board, and accessible", async () => {
    await using browser = await BrowserHarness.launch(options);
    const { page } = browser;
    page.setDefaultTimeout(timeoutMs);
    await browser.logIn(server);
    await page.getByRole("link", { name: "Admin" }).click();
    await page.waitForURL(/\/admin\/people$/);
    const parts = page.getByRole("navigation", { name: "Administration" }).getByRole("link");
    for (const name of await parts.allTextContents()) {
      await parts.filter({ hasText: name }).click();
      await parts.filter({ hasText: name }).and(page.locator("[aria-current=page]")).waitFor();
      await page.getByRole("heading", { level: 2 }).first().waitFor();
      expect([name, await browser.findAxeViolations()]).toEqual([name, []]);
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      expect([name, width <= options.viewport.width]).toEqual([name, true]);
    }
    expect(await page.content()).not.toContain("a-key-that-no-page-shows");
  });
});

test("a viewer sees no way to the administration, and a sentence at its address", async () => {
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  page.setDefaultTimeout(timeoutMs);
  await browser.logIn(server, "/admin/people", "vera");
  await page.getByText("Only admins of Home see this page, and your role is viewer.", { exact: false }).waitFor();
  expect(await page.getByRole("link", { name: "Admin" }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Remove" }).count()).toBe(0);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("admin");
  await page.getByText("Nothing has this name.").waitFor();
});

test("people are invited, added, given a role and a link, and removed with what that means", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openAdmin(browser, "people");
  await page.getByLabel("E-mail address").fill("grace@example.com");
  await page.getByRole("button", { name: "Create invitation" }).click();
  const secret = page.getByRole("group", { name: /The invitation of grace/ });
  const link = (await secret.getByText(/\/invitations\//).textContent()) ?? "";
  expect(await (await fetch(link)).text()).toContain("grace@example.com");
  await secret.getByRole("button", { name: "Done" }).click();
  await getRow(page, "Invitations", "grace@example.com").getByRole("button", { name: "Withdraw" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Withdraw" }).click();
  await page.getByText("No invitation is open.").waitFor();
  expect((await fetch(link)).status).toBe(410);

  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Kind").selectOption("person");
  await page.getByRole("button", { name: "Add account" }).click();
  const ada = getRow(page, "People and programs", "ada");
  await page.getByLabel("Role of ada").selectOption("admin");
  await page.getByText("The role of ada is now admin.").waitFor();
  await page.getByRole("button", { name: "Undo" }).last().click();
  await expect.poll(() => page.getByLabel("Role of ada").inputValue()).toBe("member");
  await ada.getByRole("button", { name: "Login link" }).click();
  await page
    .getByRole("group", { name: /This link logs ada in once/ })
    .getByText(/\/login\//)
    .waitFor();
  await server.client.call(api.createAccessToken, { body: { name: "laptop", user: "ada" } });
  await page.reload();
  await ada.getByRole("button", { name: "Remove" }).click();
  const dialog = page.getByRole("dialog", { name: "Remove ada from the organization?" });
  await dialog.getByText("One token is revoked.").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await dialog.getByRole("button", { name: "Remove" }).click();
  await page.getByText("ada was removed.").waitFor();
  await expect.poll(() => dialog.count()).toBe(0);
  await expect.poll(() => ada.count()).toBe(0);
  const { users } = await server.client.call(api.listMembers, {});
  expect(users.map(({ username }) => username)).not.toContain("ada");
});

test("a program gets an account and a token", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openAdmin(browser, "people");
  await page.getByLabel("User name").fill("ci");
  await page.getByRole("button", { name: "Add account" }).click();
  await getRow(page, "People and programs", "ci").getByText("program").waitFor();
  await page.getByLabel("Name of the token").fill("pipeline");
  await page.getByLabel("User of the token").selectOption("ci");
  await page.getByRole("button", { name: "Create token" }).click();
  const token = (await page.getByText(/^wharf_pat_/).textContent()) ?? "";
  await getRow(page, "Tokens", "pipeline of ci").waitFor();
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(new URL("/api/v1/whoami", page.url()), { headers });
  expect(await answer.json()).toMatchObject({ user: { username: "ci" } });
});

test("an agent is tested, and switched off and on", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openAdmin(browser, "agents");
  await page.getByRole("button", { name: "Test demo" }).click();
  const result = page.getByRole("group", { name: "Test of demo" });
  await result.getByText(/^The agent works/).waitFor();
  for (const phase of ["Create the runner", "Start the agent", "Finish the turn"])
    await result.getByText(new RegExp(`^${phase}: done`)).waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  const box = page.getByRole("checkbox", { name: "Tasks may use demo" });
  await box.click();
  await page.getByText("New tasks may not use demo.").waitFor();
  await expect.poll(() => box.isChecked()).toBe(false);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => box.isChecked()).toBe(true);
});

test("a host that a runner asked for is allowed for its task, and taken back", async () => {
  const repository_url = createRepository(join(folder, "remote"));
  const task = await server.createTask({ repository_url });
  await server.turn(task, "demo: run git ls-remote https://refused.example/a.git; true");
  await using browser = await BrowserHarness.launch({ expectedErrors: [/status of 400/] });
  const page = await openAdmin(browser, "hosts");
  const refused = getRow(page, "Refused hosts", "refused.example");
  await refused.getByRole("link", { name: "a task" }).waitFor();
  await refused.getByRole("button", { name: /^Allow refused\.example.* for this task$/ }).click();
  const allowed = getRow(page, "Allowed hosts", "refused.example");
  await allowed.getByText("for one task").waitFor();
  await allowed.getByRole("button", { name: /^Remove/ }).click();
  await expect.poll(() => allowed.count()).toBe(0);
  await page.getByLabel("Host or preset").fill("npm");
  await page.keyboard.press("Enter");
  await getRow(page, "Allowed hosts", "registry.npmjs.org").getByText("for all").waitFor();
  await page.getByLabel("Host or preset").fill("10.0.0.1");
  await page.keyboard.press("Enter");
  await page
    .getByRole("status")
    .getByText(/10\.0\.0\.1|addresses|host/)
    .last()
    .waitFor();
  expect(await page.getByLabel("Host or preset").inputValue()).toBe("10.0.0.1");
});

test("limits are set for a person and a size of runners, and removed", async () => {
  await using browser = await BrowserHarness.launch();
  const page = await openAdmin(browser, "limits");
  await page.getByRole("combobox", { name: "Limit of" }).selectOption("a person");
  await page.getByLabel("Which").selectOption("vera");
  await page.getByRole("spinbutton", { name: "Turns at the same time" }).fill("1");
  await page.keyboard.press("Enter");
  await getRow(page, "Limits", "1 for vera").waitFor();
  await page.getByRole("combobox", { name: "Limit of" }).selectOption("a size of runners");
  await page.getByLabel("Which").selectOption("large");
  await page.getByRole("spinbutton", { name: "Turns at the same time" }).fill("3");
  await page.keyboard.press("Enter");
  await getRow(page, "Limits", "3 for large").waitFor();
  await page.getByText("4 CPUs · 8 GB of memory · 100 GB of disk · at most 3 turns at the same time").waitFor();
  const { limits } = await server.client.call(api.listRunLimits, {});
  expect(limits.map(({ scope, max_runs }) => [scope, max_runs])).toEqual(
    expect.arrayContaining([
      ["user", 1],
      ["tier", 3],
    ]),
  );
  await page.getByRole("button", { name: "Remove the limit of vera" }).click();
  await expect.poll(() => getRow(page, "Limits", "1 for vera").count()).toBe(0);
  await page.getByRole("button", { name: "Undo" }).last().click();
  await getRow(page, "Limits", "1 for vera").waitFor();
});

test("the audit log is filtered by its address, exported and verified", async () => {
  await server.client.call(api.createBoard, { body: { name: "Audited" } });
  await using browser = await BrowserHarness.launch();
  const page = await openAdmin(browser, "audit?action=createBoard&result=ok");
  const rows = page.getByRole("row").filter({ hasText: "createBoard" });
  await expect.poll(() => rows.count()).toBe(1);
  await page.getByLabel("What", { exact: true }).fill("addMember");
  await page.waitForURL(/action=addMember/);
  await page.getByRole("row").filter({ hasText: "addMember" }).first().waitFor();
  await page.getByLabel("To", { exact: true }).fill("2020-01-01");
  await page.waitForURL(/to=2020-01-01/);
  await page.getByText("No entry matches.").waitFor();
  await page.getByLabel("To", { exact: true }).fill("");
  await page.getByRole("row").filter({ hasText: "addMember" }).first().waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export as CSV" }).click();
  const stream = await (await download).createReadStream();
  const lines = (await text(stream)).trim().split("\n");
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.slice(1).every((line) => line.includes("addMember"))).toBe(true);
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText(/^Intact: \d+ entries checked$/).waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
});
