import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("a terminal is real, has its history after a reload, and changes hands", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: say ready");
  const browser = await harness.open("?pane=terminal");
  const { page } = browser;
  const pane = page.getByRole("region", { name: "Terminal", exact: true });
  await pane.getByRole("button", { name: "New terminal" }).click();
  await pane.getByText("Type to take the keyboard.").waitFor();
  const input = pane.getByRole("textbox", { name: "Terminal input" });
  await input.pressSequentially("printf 'answer=%s \\033[31mred\\033[0m\\n' $((6*7))\n");
  await pane.locator(".xterm-rows").getByText("answer=42").waitFor();
  await pane.getByText("You type.").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.reload();
  await pane.locator(".xterm-rows").getByText("answer=42").waitFor();

  const other = await harness.open(`?pane=terminal`);
  const otherPane = other.page.getByRole("region", { name: "Terminal", exact: true });
  await otherPane.locator(".xterm-rows").getByText("answer=42").waitFor();
  await input.pressSequentially("echo mine\n");
  await pane.getByText("You type.").waitFor();
  await otherPane.getByRole("button", { name: "Take over" }).click();
  await otherPane.getByText("You type.").waitFor();
  await pane.getByRole("button", { name: "Take over" }).waitFor();
});

test("a terminal notices that the server is out of reach, and reads on", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: say ready");
  const { page } = await harness.open("?pane=terminal", {
    expectedErrors: [/ERR_INTERNET_DISCONNECTED|WebSocket connection/],
  });
  const pane = page.getByRole("region", { name: "Terminal", exact: true });
  await pane.getByRole("button", { name: "New terminal" }).click();
  await pane.getByText("Type to take the keyboard.").waitFor();
  const input = pane.getByRole("textbox", { name: "Terminal input" });
  await input.pressSequentially("(until test -e continue; do sleep 0.1; done; echo missed=$((6*7))) &\n");
  await pane.getByText("You type.").waitFor();
  await page.context().setOffline(true);
  await pane.getByText("No connection; it opens again by itself.").waitFor();
  await harness.server.cli("workspace", "exec", harness.task.id, "--", "touch", "continue");
  await page.context().setOffline(false);
  await pane.locator(".xterm-rows").getByText("missed=42").waitFor();
  await input.pressSequentially("echo again=$((7*7))\n");
  await pane.locator(".xterm-rows").getByText("again=49").waitFor();
});
