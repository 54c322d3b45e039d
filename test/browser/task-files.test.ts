import { taskWorkspaceApi } from "@wharf/contract";
import { expect } from "vitest";
import { TaskPageHarness } from "../support/browser/task-page.ts";
import { withTestService } from "../support/test-services.ts";

const { test } = withTestService("chromium");

test("files are found, edited, uploaded and downloaded, and no one's changes are lost", async () => {
  await using harness = await TaskPageHarness.start();
  const { task, server } = harness;
  await server.turn(task, "demo: write src/deep/app.ts const answer = 41;\\n");
  const browser = await harness.open("?pane=files", { expectedErrors: [/409 \(Conflict\)/] });
  const { page } = browser;
  const pane = page.getByRole("region", { name: "Files", exact: true });
  await pane.getByRole("button", { name: "src" }).click();
  await pane.getByRole("button", { name: "deep" }).click();
  await pane.getByRole("link", { name: "app.ts" }).click();
  const content = pane.getByRole("textbox", { name: "Content" });
  await content.getByText("const answer = 41;").waitFor();
  expect(await browser.findAxeViolations()).toEqual([]);

  const retype = async (text: string) => {
    await content.press("Control+a");
    await page.keyboard.type(text);
  };
  const read = async () =>
    (
      await server.client.call(taskWorkspaceApi.readFile, {
        params: { task_id: task.id },
        body: { path: "src/deep/app.ts" },
      })
    ).content;
  await retype("const answer = 42;\n");
  await content.press("Control+s");
  await pane.getByText("not saved").waitFor({ state: "detached" });
  expect(await read()).toBe("const answer = 42;\n");

  await server.turn(task, "demo: write src/deep/app.ts const answer = 43;\\n");
  await retype("mine\n");
  await pane.getByRole("button", { name: "Save" }).click();
  await pane.getByRole("alert").waitFor();
  expect(await read()).toBe("const answer = 43;\n");
  await pane.getByRole("button", { name: "Discard mine and load it again" }).click();
  await content.getByText("const answer = 43;").waitFor();

  await pane.getByLabel("Upload files").setInputFiles({
    name: "notes.md",
    mimeType: "text/markdown",
    buffer: Buffer.from("find this needle"),
  });
  await pane.getByRole("link", { name: "notes.md" }).waitFor();
  await pane.getByRole("searchbox", { name: "Search files" }).fill("needle");
  await pane.getByRole("link", { name: "notes.md:1" }).click();
  await content.getByText("find this needle").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    pane.getByRole("link", { name: "Download" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("notes.md");
});
