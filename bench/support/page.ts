import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
import { z } from "zod";
import { findChromium } from "../../scripts/test-services/chromium.ts";
import { type Server, sources } from "./server.ts";

/** What a page notes about itself from its beginning. */
const Notes = z.object({
  /** The tasks of the main thread that took longer than 50 ms. */
  longTasks: z.array(z.number()),
});
type Notes = z.infer<typeof Notes>;

/** Chromium with a person's page, which notes how long its main thread was busy. */
export class MeasuredPage implements AsyncDisposable {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #session: CDPSession;

  private constructor(browser: Browser, page: Page, session: CDPSession) {
    this.#browser = browser;
    this.page = page;
    this.#session = session;
  }

  /** Opens a browser in which the owner is logged in; undefined if there is none. */
  static async open(server: Server, environment: Record<string, string>): Promise<MeasuredPage | undefined> {
    const executablePath = findChromium();
    if (executablePath === undefined) return undefined;
    const browser = await chromium.launch({ executablePath });
    const page = await browser.newPage({ viewport: { width: 1_280, height: 800 } });
    const session = await page.context().newCDPSession(page);
    await page.addInitScript({ content: note });
    const { stdout } = await promisify(execFile)(process.execPath, [sources, "login", "--link", "--json"], {
      env: { ...process.env, WHARF_DATA: server.data, ...environment },
    });
    const link = /https?:\/\/[^\s"]+\/login\/[^\s"]+/.exec(stdout)?.[0];
    if (link === undefined) throw new Error(`no login link in:\n${stdout}`);
    await page.goto(link);
    await page.getByRole("button", { name: /^Log in as / }).click();
    await page.getByLabel("Add a task").first().waitFor();
    return new MeasuredPage(browser, page, session);
  }

  /** Forgets the long tasks so far. */
  async startAgain(): Promise<void> {
    await this.page.evaluate("notes.longTasks.length = 0");
  }

  async readNotes(): Promise<Notes> {
    return Notes.parse(await this.page.evaluate("notes"));
  }

  /** Waits for the board, and returns when it could be used, in ms since the navigation. */
  async waitUntilUsable(): Promise<number> {
    await this.page.getByLabel("Add a task").first().waitFor();
    return z.number().parse(
      await this.page.evaluate(`new Promise((resolve) => {
        const look = () => (notes.usable === undefined ? requestAnimationFrame(look) : resolve(notes.usable));
        look();
      })`),
    );
  }

  /** Returns the bytes that live objects of the page take, without garbage. */
  async measureHeap(): Promise<number> {
    await this.#session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await this.#session.send("Runtime.getHeapUsage");
    return usedSize;
  }

  /** Returns the size of the page's scripts as they were sent, in bytes. */
  async readScriptBytes(): Promise<number> {
    return z.number().parse(
      await this.page.evaluate(`performance.getEntriesByType("resource")
        .filter(({ name }) => new URL(name).pathname.endsWith(".js"))
        .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`),
    );
  }

  async startTrace(path: string): Promise<void> {
    await this.#browser.startTracing(this.page, { path, categories: ["devtools.timeline", "blink.user_timing"] });
  }

  async stopTrace(): Promise<void> {
    await this.#browser.stopTracing();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Runs in the page before its own scripts. */
const note = `
globalThis.notes = { longTasks: [] };
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) notes.longTasks.push(duration);
}).observe({ type: "longtask", buffered: true });
const look = () => {
  if (document.querySelector("[aria-label='Add a task']")) notes.usable = performance.now();
  else requestAnimationFrame(look);
};
look();
`;
