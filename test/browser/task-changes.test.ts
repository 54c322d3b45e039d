import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("changes are read by file and by turn, commented on, and the next prompt sends the comments", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: write src/one.ts const a = 1;\\nconst b = 2;\\n");
  await harness.server.turn(harness.task, "demo: write src/two.ts second\\n");
  const browser = await harness.open("?pane=changes");
  const { page } = browser;
  const pane = page.getByRole("region", { name: "Changes", exact: true });
  await pane.getByRole("link", { name: /two\.ts/ }).click();
  await pane.locator("code", { hasText: "second" }).waitFor();
  await pane.getByRole("link", { name: /one\.ts/ }).click();
  await pane.locator("code", { hasText: "const b = 2;" }).waitFor();
  await pane.locator('[data-token="keyword"]', { hasText: "const" }).first().waitFor();
  await pane.getByRole("button", { name: "Comment on line 2" }).click();
  await pane.getByRole("textbox", { name: "Comment" }).fill("Why two?");
  await pane.getByRole("button", { name: "Add comment" }).click();
  await pane.getByRole("note").getByText("Why two?").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await pane.getByRole("checkbox", { name: "Side by side" }).check();
  await pane.getByRole("note").waitFor();

  const numbers = await pane.getByRole("combobox", { name: "Changes of" }).locator("option").count();
  await pane.getByRole("combobox", { name: "Changes of" }).selectOption({ index: numbers - 1 });
  await pane.getByText("1 file", { exact: false }).waitFor();
  expect(await pane.getByRole("link", { name: /one\.ts/ }).count()).toBe(0);
  await page.goBack();

  await page.getByText("with 1 comment").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("region", { name: "Timeline" }).getByText("Why two?").waitFor();
  await page.getByText("with 1 comment").waitFor({ state: "detached" });
});

test("the changes of a file are discarded", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: write kept.md kept\ndemo: write unwanted.md unwanted");
  const { page } = await harness.open("?pane=changes&file=unwanted.md");
  const pane = page.getByRole("region", { name: "Changes", exact: true });
  await pane.locator("code", { hasText: "unwanted" }).waitFor();
  await pane.getByRole("button", { name: "Discard" }).click();
  await pane.getByRole("link", { name: /unwanted/ }).waitFor({ state: "detached" });
  await pane.getByRole("link", { name: /kept/ }).waitFor();
  await page.getByRole("region", { name: "Timeline" }).getByText("Discard the changes of unwanted.md").waitFor();
});
