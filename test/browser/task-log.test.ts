import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("a long log opens at its end, and older lines come when they are scrolled to", async () => {
  await using harness = await TaskPageHarness.start();
  const lines = Array.from({ length: 300 }, (_, index) => `demo: write file-${index} ${index}`);
  await harness.server.turn(harness.task, lines.join("\n"));
  const browser = await harness.open();
  const { page } = browser;
  const timeline = page.getByRole("region", { name: "Timeline" });
  await timeline.getByText(/^Done after/).waitFor();
  expect(await timeline.getByText("Write file-0", { exact: true }).count()).toBe(0);
  await timeline.press("Home");
  await expect
    .poll(
      async () => {
        await timeline.press("Home");
        return timeline.getByRole("heading", { name: "you" }).count();
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(0);
  await page.getByRole("button", { name: "Live" }).click();
  await timeline.getByText(/^Done after/).waitFor();
});

test("a page that lost its connection has each event once when it returns", async () => {
  await using harness = await TaskPageHarness.start();
  const browser = await harness.open("", { expectedErrors: [/ERR_INTERNET_DISCONNECTED|WebSocket connection/] });
  const { page } = browser;
  const timeline = page.getByRole("region", { name: "Timeline" });
  await harness.server.turn(harness.task, "demo: say before");
  await timeline.getByText("before", { exact: true }).waitFor();
  await page.context().setOffline(true);
  await page.getByText("no connection").waitFor();
  await harness.server.turn(harness.task, "demo: say meanwhile");
  await page.context().setOffline(false);
  await timeline.getByText("meanwhile", { exact: true }).waitFor();
  await harness.server.turn(harness.task, "demo: say after");
  await timeline.getByText("after", { exact: true }).waitFor();
  expect(await timeline.getByText(/^(?:before|meanwhile|after)$/).allTextContents()).toEqual([
    "before",
    "meanwhile",
    "after",
  ]);
});

test("usage lists the turns, and the activity has every event and goes back in time", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: say first");
  const browser = await harness.open("?pane=usage");
  const { page } = browser;
  await page.getByRole("row", { name: /1 demo: say first/ }).waitFor();
  await page.getByRole("row", { name: /^Total/ }).waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.getByRole("link", { name: "Activity" }).click();
  const events = page.getByRole("region", { name: "Events" });
  await events.locator("summary").first().waitFor();
  await page.getByRole("combobox", { name: "Kind of event" }).selectOption("phase");
  await events.getByText('"phase":"clone"', { exact: false }).first().waitFor();
  await page.getByRole("combobox", { name: "Kind of event" }).selectOption("");
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.getByRole("slider", { name: "Moment" }).press("Home");
  const goLive = page.getByRole("button", { name: "Back to live" });
  const timeline = page.getByRole("region", { name: "Timeline" });
  await goLive.waitFor();
  expect(await events.locator("summary").count()).toBe(1);
  await expect.poll(() => timeline.getByText("first", { exact: true }).count()).toBe(0);
  expect(await browser.findAxeViolations()).toEqual([]);
  await page.waitForURL(/at=1\b/);
  await page.getByRole("link", { name: "Changes" }).click();
  await page.reload();
  await goLive.waitFor();
  expect(await timeline.getByText("first", { exact: true }).count()).toBe(0);
  await page.keyboard.press("Escape");
  await timeline.getByText("first", { exact: true }).waitFor();
  await goLive.waitFor({ state: "detached" });
  await page.waitForURL((url) => !url.searchParams.has("at"));
});

test("the log is played from its beginning until it is live again", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: say first");
  const { page } = await harness.open("?pane=activity");
  const timeline = page.getByRole("region", { name: "Timeline" });
  await page.getByRole("combobox", { name: "Speed" }).selectOption("16×");
  await page.getByRole("button", { name: "Play" }).click();
  await page.getByRole("button", { name: "Back to live" }).waitFor();
  await page.getByRole("button", { name: "Hold" }).click();
  const slider = page.getByRole("slider", { name: "Moment" });
  const heldAt = await slider.inputValue();
  await page.waitForURL(new RegExp(`at=${heldAt}`));
  expect(await timeline.getByText(/^Done after/).count()).toBe(0);
  await page.getByRole("button", { name: "Play" }).click();
  await timeline.getByText(/^Done after/).waitFor();
  await page.getByRole("button", { name: "Back to live" }).waitFor({ state: "detached" });
});
