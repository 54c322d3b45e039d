import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { onTestFinished } from "vitest";
import type { ServerHarness } from "../server-harness.ts";
import { findChromium } from "../test-services.ts";
import { findAxeViolations } from "./axe.ts";

type ContextOptions = Pick<BrowserContextOptions, "colorScheme" | "viewport" | "hasTouch" | "permissions">;

export interface BrowserOptions extends ContextOptions {
  /** Errors that the test causes on purpose. */
  readonly expectedErrors?: readonly RegExp[];
}

/** The sizes of a window on a desk and of a phone. */
export const desk = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

/**
 * A person's browser: real Chromium, with one tab. A violation of the page's policy, an exception
 * and any other error in the console fail the test when the harness is disposed. After a failure a
 * trace and a picture are in a temporary folder, whose name is printed. Only the end of the test
 * shows whether it failed: the browser stays open until then, and a passing test writes no file.
 */
export class BrowserHarness implements AsyncDisposable {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #context: BrowserContext;
  readonly #expectedErrors: readonly RegExp[];
  readonly #errors: string[] = [];
  #picture: Buffer | undefined;

  private constructor(browser: Browser, context: BrowserContext, page: Page, expectedErrors: readonly RegExp[]) {
    this.#browser = browser;
    this.#context = context;
    this.page = page;
    this.#expectedErrors = expectedErrors;
    context.on("console", (message) => message.type() === "error" && this.#errors.push(message.text()));
    context.on("weberror", (error) => this.#errors.push(String(error.error().stack)));
  }

  static async launch({ expectedErrors = [], ...options }: BrowserOptions = {}): Promise<BrowserHarness> {
    const executablePath = findChromium();
    if (executablePath === undefined) throw new Error("`npm run test-services chromium` installs the browser");
    const browser = await chromium.launch({ executablePath });
    const context = await browser.newContext({ viewport: desk, reducedMotion: "reduce", ...options });
    await context.tracing.start({ snapshots: true });
    const harness = new BrowserHarness(browser, context, await context.newPage(), expectedErrors);
    onTestFinished(({ task }) => harness.#close(task.result?.state === "fail"));
    return harness;
  }

  /** Opens a page of the server as its owner or as another user. Both log in with a link. */
  async logIn(server: ServerHarness, path?: string, user?: string): Promise<void> {
    const command = user === undefined ? ["login", "--link"] : ["user", "link", user];
    const { stdout } = await server.cli(...command, "--json");
    const link = parseLink(stdout);
    if (path !== undefined) await this.page.goto(new URL(path, link).href);
    await this.page.goto(link);
    await this.page.getByRole("button", { name: /^Log in as / }).click();
  }

  /** The errors so far. */
  get errors(): readonly string[] {
    return this.#errors.filter((text) => !this.#expectedErrors.some((expected) => expected.test(text)));
  }

  /** Lists what the page makes inaccessible to some people. */
  findAxeViolations(): Promise<string[]> {
    return findAxeViolations(this.page);
  }

  /** Leaves the pages, which would miss the server after its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { errors } = this;
    this.#picture = await this.page.screenshot().catch(() => undefined);
    for (const page of this.#context.pages()) await page.close();
    if (errors.length > 0) throw new Error(`the page reported errors:\n${errors.join("\n")}`);
  }

  async #close(hasFailed: boolean): Promise<void> {
    try {
      if (hasFailed) await this.#saveEvidence();
    } finally {
      await this.#browser.close();
    }
  }

  async #saveEvidence(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "wharf-browser-"));
    process.stderr.write(`the browser's trace and picture are in ${folder}\n`);
    writeFileSync(join(folder, "console.txt"), this.errors.join("\n"));
    const picture = this.#picture ?? (await this.page.screenshot().catch(() => undefined));
    if (picture) writeFileSync(join(folder, "page.png"), picture);
    await this.#context.tracing.stop({ path: join(folder, "trace.zip") });
  }
}

function parseLink(output: string): string {
  const link = /https?:\/\/[^\s"]+\/login\/[^\s"]+/.exec(output)?.[0];
  if (link === undefined) throw new Error(`no login link in:\n${output}`);
  return link;
}
