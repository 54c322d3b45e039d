import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { BrowserHarness, desk, phone } from "../support/browser/browser-harness.ts";
import { createScratchFolder, ServerHarness } from "../support/server-harness.ts";
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

describe.each([
  { colorScheme: "light", viewport: desk },
  { colorScheme: "dark", viewport: phone },
] as const)("in $colorScheme colours, $viewport.width pixels wide", (options) => {
  test("a login link leads to the board, which is accessible and obeys its policy", async () => {
    await using browser = await BrowserHarness.launch(options);
    const { page } = browser;
    await browser.logIn(server);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toMatch(/^\/boards\/[0-9a-f-]{36}$/);
    expect(await browser.findAxeViolations()).toEqual([]);
    // Styles of components come after those of all links, wherever the build puts them.
    const colors = "[document.querySelector('header a'), document.body].map((one) => getComputedStyle(one).color)";
    const [name, text] = await page.evaluate<string[]>(colors);
    expect(name).toBe(text);
  });
});

test("a link to a page leads there after the login", async () => {
  const { id } = await server.createTask({ title: "Fix the parser", repository_url: folder });
  await using browser = await BrowserHarness.launch();
  const { page } = browser;
  await browser.logIn(server, `/tasks/${id}`);
  await page.getByRole("heading", { name: "Fix the parser" }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/tasks/${id}`);
});
