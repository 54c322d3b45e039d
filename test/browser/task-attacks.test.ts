import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

/** Scripts in every form that Markdown, HTML and names have. Each would change the title. */
const attacks = [
  "demo: say <script>document.title='run'</script><img src=x onerror=\"document.title='run'\">",
  "demo: say [click](javascript:document.title='run') [data](data:text/html,<script>1</script>) [ok](https://example.com/)",
  "demo: say ![picture](https://tracker.example/pixel.png) <style>body{display:none}</style>",
  "demo: say <iframe srcdoc='<script>parent.document.title=1</script>'></iframe>",
  `demo: say ${"> ".repeat(100)}deep`,
  "demo: think <svg onload=\"document.title='run'\">",
  "demo: plan <img src=x onerror=\"document.title='run'\"> | [x](javascript:document.title='run')",
  "demo: write src/\u202Ets.exe if (role\u202E) {} // <img src=x onerror=\"document.title='run'\">",
  "demo: run printf '\\033]0;run\\007\\033]52;c;cnVu\\007\\033[2J<b>shown</b>'",
  "demo: stderr <script>document.title='run'</script>",
];

test("what agents and repositories say is shown, and neither runs, loads nor misleads", async () => {
  await using harness = await TaskPageHarness.start({ title: "<img src=x onerror=alert(1)>" });
  const { server, task } = harness;
  await server.turn(task, attacks.join("\n"));
  const browser = await harness.open();
  const { page } = browser;
  const requested: string[] = [];
  page.on("request", (request) => requested.push(new URL(request.url()).host));
  await page.reload();
  const timeline = page.getByRole("region", { name: "Timeline" });
  await timeline.getByText(/^Done after/).waitFor();
  await timeline.press("Home");
  await timeline.getByRole("link", { name: "ok" }).waitFor();
  await timeline.getByText("(tracker.example)").waitFor();
  expect(await timeline.getByRole("link").allTextContents()).toEqual(["ok", "picture"]);
  expect(await timeline.locator("img, script, style, iframe, svg[onload]").count()).toBe(0);
  await timeline
    .getByText(String.raw`\u{202e}ts.exe`, { exact: false })
    .first()
    .waitFor();

  const pane = page.getByRole("region", { name: "Changes", exact: true });
  await pane.getByText(String.raw`role\u{202e}`, { exact: false }).waitFor();
  expect(await page.title()).not.toContain("run");
  expect([...new Set(requested)]).toEqual([new URL(page.url()).host]);
  expect(await page.locator("body").isVisible()).toBe(true);
});

test("a terminal's titles, clipboard and links do nothing to the page", async () => {
  await using harness = await TaskPageHarness.start();
  await harness.server.turn(harness.task, "demo: say ready");
  const { page } = await harness.open("?pane=terminal");
  const pane = page.getByRole("region", { name: "Terminal", exact: true });
  await pane.getByRole("button", { name: "New terminal" }).click();
  await pane.getByText("Type to take the keyboard.").waitFor();
  const titleBefore = await page.title();
  await pane
    .getByRole("textbox", { name: "Terminal input" })
    .pressSequentially(
      "printf '\\033]0;run\\007\\033]52;c;cnVu\\007\\033]8;;javascript:document.title=1\\033\\\\link\\033]8;;\\033\\\\ %s\\n' $((6*7))\n",
    );
  const rows = pane.locator(".xterm-rows");
  await rows.getByText("link 42").waitFor();
  await rows.getByText("link 42").click({ force: true, position: { x: 10, y: 8 } });
  expect(await page.title()).toBe(titleBefore);
  expect(page.context().pages()).toHaveLength(1);
});
