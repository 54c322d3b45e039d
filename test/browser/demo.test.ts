import { readdirSync, rmSync } from "node:fs";
import { spawn } from "@lydell/node-pty";
import { expect } from "vitest";
import { BrowserHarness } from "../support/browser/browser-harness.ts";
import { createScratchFolder, launcher } from "../support/server-harness.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("the demo ends with a link that opens its task, and leaves only the sample behind", async () => {
  const folder = createScratchFolder();
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder, TERM: "dumb" };
  const demo = spawn(process.execPath, [launcher, "demo"], { cols: 200, rows: 40, cwd: folder, env });
  let output = "";
  const link = Promise.withResolvers<string>();
  const exit = Promise.withResolvers<number>();
  demo.onData((text) => {
    output += text;
    const found = /http:\S+\/login\/\S+/.exec(output)?.[0];
    if (found !== undefined) link.resolve(found);
  });
  demo.onExit(({ exitCode }) => {
    exit.resolve(exitCode);
    link.reject(new Error(`the demo ended with ${exitCode}:\n${output}`));
  });
  try {
    await using browser = await BrowserHarness.launch();
    const { page } = browser;
    await page.goto(await link.promise);
    await page.getByRole("button", { name: /^Log in as / }).click();
    await page.getByRole("heading", { level: 1, name: "Fix the failing test" }).waitFor();
    await page.getByRole("button", { name: "Accept" }).waitFor();
    await page.getByRole("region", { name: "Changes" }).getByText("src/", { exact: false }).first().waitFor();
  } finally {
    demo.write("\u0003");
    expect(await exit.promise, output).toBe(0);
  }
  const [home = ""] = readdirSync(folder).filter((name) => name.startsWith("wharf-demo-"));
  expect(readdirSync(`${folder}/${home}`)).toEqual(["tidy-duration"]);
  rmSync(folder, { recursive: true });
});
