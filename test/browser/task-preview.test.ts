import { api, taskWorkspaceApi } from "@wharf/contract";
import { expect } from "vitest";
import { phone } from "../support/browser/browser-harness.ts";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { startPreviewProgram } from "../support/previews/preview-client.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");
const port = 38_427;

test("a port of the runner is shown in a frame that cannot read the page", async () => {
  await using harness = await TaskPageHarness.start();
  const { server, task } = harness;
  await server.turn(task, "demo: say ready");
  const browser = await harness.open("?pane=preview", { expectedErrors: [/status of 409/] });
  const { page } = browser;
  const pane = page.getByRole("region", { name: "Preview", exact: true });
  const { runner_id: runnerId = "" } = await server.client.call(api.getTaskWorkspace, { params: { task_id: task.id } });
  await startPreviewProgram(server.client, runnerId, port);
  await pane.getByRole("link", { name: `${port} node` }).click();
  const frame = pane.frameLocator("iframe");
  await frame.getByRole("heading", { name: "Hello from the runner" }).waitFor();
  expect(await frame.locator("#parent").textContent()).toBe("the parent is hidden");
  expect(await browser.findAxeViolations()).toEqual([]);

  await pane.getByRole("textbox", { name: "Path" }).fill("headers?a=1");
  await page.keyboard.press("Enter");
  await frame.getByText('"url":"/headers?a=1"').waitFor();
  expect(await frame.locator("body").textContent()).not.toContain("wharf_session");
  await pane.getByRole("button", { name: "Width of a phone" }).click();
  await page.setViewportSize(phone);
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await browser.findAxeViolations()).toEqual([]);
  const popup = page.waitForEvent("popup");
  await pane.getByRole("link", { name: "Open in a new tab" }).click();
  await (await popup).getByText('"url":"/headers?a=1"').waitFor();

  const { commands } = await server.client.call(taskWorkspaceApi.commands, { params: { task_id: task.id } });
  for (const { command_id } of commands)
    await server.client.call(taskWorkspaceApi.killCommand, { params: { task_id: task.id, command_id }, body: {} });
  await pane.getByText(`No program listens on port ${port}.`).waitFor();
});
