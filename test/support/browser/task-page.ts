import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Task, TaskInput } from "@wharf/contract";
import { createRepository } from "../repository.ts";
import { createScratchFolder, ServerHarness } from "../server-harness.ts";
import { BrowserHarness, type BrowserOptions } from "./browser-harness.ts";

/** A server with the page of one task in a person's browser. */
export class TaskPageHarness implements AsyncDisposable {
  readonly server: ServerHarness;
  readonly task: Task;
  readonly #folder: string;
  readonly #browsers: BrowserHarness[] = [];

  private constructor(folder: string, server: ServerHarness, task: Task) {
    this.#folder = folder;
    this.server = server;
    this.task = task;
  }

  static async start(fields: Partial<TaskInput> = {}): Promise<TaskPageHarness> {
    const folder = createScratchFolder();
    const server = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
    await server.start();
    const repository_url = createRepository(join(folder, "remote"));
    const task = await server.createTask({ title: "Fix the parser", repository_url, ...fields });
    return new TaskPageHarness(folder, server, task);
  }

  /** Opens the page in a new browser. */
  async open(search = "", options: BrowserOptions = {}): Promise<BrowserHarness> {
    const browser = await BrowserHarness.launch(options);
    this.#browsers.push(browser);
    await browser.logIn(this.server);
    await browser.page.getByRole("heading", { level: 1 }).waitFor();
    const { url } = await this.server.client.locate();
    await browser.page.goto(new URL(`/tasks/${this.task.id}${search}`, url).href);
    await browser.page.getByRole("heading", { level: 1, name: this.task.title }).waitFor();
    return browser;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const browser of this.#browsers) await browser[Symbol.asyncDispose]();
    } finally {
      await this.server[Symbol.asyncDispose]();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}
