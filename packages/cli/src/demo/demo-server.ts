import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { Client } from "../server/client.ts";
import { startOwnServer } from "../server/own-server.ts";
import type { Environment } from "../settings/environment.ts";

/** The demo leaves behind nothing, the sample repository, or everything. */
export type RetainedFiles = "nothing" | "sample" | "all";

const sampleName = "tidy-duration";

/**
 * Runs a server in a temporary folder. After its end, no process and only the retained files are
 * left.
 */
export class DemoServer implements AsyncDisposable {
  readonly home: string;
  readonly client: Client;
  readonly url: string;
  readonly #stop: () => Promise<void>;
  #ended: Promise<void> | undefined;

  private constructor(home: string, server: { url: string; client: Client; stop: () => Promise<void> }) {
    this.home = home;
    this.url = server.url;
    this.client = server.client;
    this.#stop = server.stop;
  }

  static async open(environment: Environment): Promise<DemoServer> {
    const home = await mkdtemp(join(await realpath(tmpdir()), "wharf-demo-"));
    try {
      // If root runs the demo, PostgreSQL runs as another user, who needs access to its files.
      await chmod(home, 0o711);
      const { DATABASE_URL: _, ...rest } = environment;
      const server = await startOwnServer({
        ...rest,
        WHARF_DATA: join(home, "data"),
        WHARF_PORT: "0",
        WHARF_HOST: "127.0.0.1",
      });
      const client = new Client(async () => ({ url: server.url, token: server.token }));
      return new DemoServer(home, { url: server.url, client, stop: () => server.stop({ runners: true }) });
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  get sample(): string {
    return join(this.home, sampleName);
  }

  get dataFolder(): string {
    return join(this.home, "data");
  }

  end(remains: RetainedFiles): Promise<void> {
    return (this.#ended ??= this.#end(remains));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end("nothing");
  }

  async #end(remains: RetainedFiles): Promise<void> {
    if (remains !== "all") await this.#deleteTasks();
    await this.#stop();
    if (remains === "all") return;
    await rm(remains === "sample" ? this.dataFolder : this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  /**
   * Deleting a task removes its runner, and with it everything that the backend created outside the
   * data folder.
   */
  async #deleteTasks(): Promise<void> {
    try {
      const { tasks } = await this.client.call(api.listTasks, {}, { timeoutMs: 10_000 });
      for (const { id } of tasks)
        await this.client.call(api.deleteTask, { params: { task_id: id } }, { timeoutMs: 10_000 });
    } catch {
      // The server is stopped with its runners in any case.
    }
  }
}
