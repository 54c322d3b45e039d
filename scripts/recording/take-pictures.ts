import { join } from "node:path";
import { chromium } from "playwright-core";
import { findChromium } from "../test-services/chromium.ts";

const size = { width: 1_280, height: 720 };

/** Draws the pages of the demo's task and of its board, as a login link opens them. */
export async function takePictures(link: string, folder: string): Promise<void> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("`npm run test-services chromium` installs the browser");
  const browser = await chromium.launch({ executablePath });
  try {
    const page = await browser.newPage({ viewport: size, reducedMotion: "reduce" });
    await page.goto(link);
    await page.getByRole("button", { name: /^Log in as / }).click();
    await page.getByRole("region", { name: "Changes" }).getByText("src/").first().waitFor();
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(folder, "task.png") });
    await page.getByRole("link", { name: "Back to the board" }).click();
    const input = page.getByLabel("Add a task");
    for (const title of ["Parse durations in weeks", "Document the exports", "Support negative durations"]) {
      await input.fill(title);
      await input.press("Enter");
      await page.getByRole("link", { name: title }).waitFor();
    }
    await page.screenshot({ path: join(folder, "board.png") });
  } finally {
    await browser.close();
  }
}
