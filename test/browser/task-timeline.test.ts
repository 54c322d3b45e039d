import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("a timeline shows what a person asked, and what the agent said, did, planned and committed", async () => {
  await using harness = await TaskPageHarness.start({ description: "demo: say ready" });
  const browser = await harness.open();
  const { page } = browser;
  const timeline = page.getByRole("region", { name: "Timeline" });
  const prompt = [
    "demo: think First I look around",
    "demo: plan Read the code | Fix it",
    "demo: say I found the **cause** in `parse.ts`, see [the issue](https://example.com/1)",
    "demo: write src/parse.ts one\\ntwo",
    "demo: run printf '\\033[31mred\\033[0m and plain'",
  ];
  await page.getByRole("textbox", { name: "Message" }).fill(prompt.join("\n"));
  await page.getByRole("button", { name: "Send" }).click();
  await timeline.locator("strong", { hasText: "cause" }).waitFor();
  await timeline.getByText("(example.com)", { exact: false }).last().waitFor();
  await timeline.getByText("Plan: 0 of 2 done").waitFor();
  await timeline.getByRole("figure").getByText("+ two").waitFor();
  await timeline.locator("summary", { hasText: "First I look around" }).waitFor();
  await page.getByRole("status", { name: "State" }).getByText("Review").waitFor();
  await timeline
    .getByText(/^Done after/)
    .last()
    .waitFor();
  await timeline.press("Home");
  await timeline.getByText("Started in").waitFor();
  await timeline.getByRole("heading", { name: "you" }).first().waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
});

test("a question is answered where it is asked, and says what happens without an answer", async () => {
  await using harness = await TaskPageHarness.start({
    description: "demo: ask rm -rf build",
    permission_policy: "ask",
  });
  const browser = await harness.open();
  const { page } = browser;
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const question = page.getByRole("region", { name: /^Question: / });
  await question.getByText("Without an answer it is refused in").waitFor();
  await page.getByRole("status", { name: "State" }).getByText("Needs you").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);
  await question.getByRole("button", { name: /allow/i }).first().click();
  await question.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Accept" }).click();
  await page.getByRole("status", { name: "State" }).getByText("Done").waitFor();
});

test("a prompt waits in the queue, is withdrawn, and a draft survives a reload", async () => {
  await using harness = await TaskPageHarness.start({ description: "demo: hang" });
  const { page } = await harness.open();
  const message = page.getByRole("textbox", { name: "Message" });
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Stop turn" }).waitFor();
  await message.fill("demo: say later");
  await message.press("Enter");
  const queue = page.getByRole("list", { name: "Queued prompts" });
  await queue.getByText("demo: say later").waitFor();
  await queue.getByRole("button", { name: "Withdraw" }).click();
  await queue.waitFor({ state: "detached" });
  await message.fill("not sent yet");
  await page.reload();
  await page.getByRole("button", { name: "Stop turn" }).waitFor();
  expect(await message.inputValue()).toBe("not sent yet");
  await page.getByRole("button", { name: "Stop turn" }).click();
  await page.getByText(/^The turn was cancelled/).waitFor();
});

test("a hidden page notifies a person of their task, once they have asked for it", async () => {
  await using harness = await TaskPageHarness.start();
  const browser = await harness.open("", { permissions: ["notifications"] });
  const { page } = browser;
  // Pages of a headless browser are never hidden, and nothing shows what the system shows.
  await page.addInitScript(`
    globalThis.shown = [];
    Object.defineProperty(document, "hidden", { get: () => true });
    globalThis.Notification = class extends Notification {
      constructor(...parameters) { super(...parameters); shown.push(this); }
    };`);
  await page.goto(new URL("/me", page.url()).href);
  await page.getByText("Off in this browser.").waitFor();
  await page.getByRole("button", { name: "Turn on", exact: true }).click();
  await page.getByText("On in this browser").waitFor();
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  await harness.server.turn(harness.task, "demo: say hello");
  const read = () => page.evaluate("shown.map(({ title, body }) => [title, body])");
  await expect.poll(read).toEqual([[harness.task.title, "The task is ready for review."]]);
  await page.evaluate('shown[0].dispatchEvent(new Event("click"))');
  await page.getByRole("heading", { level: 1, name: harness.task.title }).waitFor();
});

test("an agent is paused, continues and is stopped after a question, with buttons and keys", async () => {
  await using harness = await TaskPageHarness.start({ description: "demo: hang" });
  const browser = await harness.open();
  const { page } = browser;
  const state = page.getByRole("status", { name: "State" });
  const getButton = (name: string) => page.getByRole("button", { name, exact: true });
  await getButton("Start").click();
  await getButton("Pause").click();
  await state.getByText("Paused").waitFor();
  expect(await page.locator(":focus").textContent()).toContain("Resume");
  await getButton("Resume").blur();
  await page.keyboard.press("p");
  await getButton("Pause").waitFor();
  await state.getByText("Running").waitFor();
  await page.getByRole("textbox", { name: "Message" }).pressSequentially("ps"); // keys of the text, not of the page
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("s");
  const question = page.getByRole("dialog", { name: "Stop the agent?" });
  expect(await browser.findAxeViolations()).toEqual([]);
  await question.getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Find a command or a task" }).fill("stop the agent");
  await page.keyboard.press("Enter");
  await question.getByRole("button", { name: "Stop" }).click();
  await state.getByText("Review").waitFor();
  for (const name of ["Pause", "Resume", "Stop"]) expect(await getButton(name).count()).toBe(0);
});
