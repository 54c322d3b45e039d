import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Run, type Task, type TaskInput, type Turn } from "@wharf/contract";
import { expect } from "vitest";
import { createDockerCli } from "./docker-engines.ts";
import { eventually } from "./eventually.ts";
import { noTraces, findTraces } from "./processes.ts";
import { createRepository } from "./repository.ts";
import { createScratchFolder, ServerHarness } from "./server-harness.ts";
import { dockerAddress, ensureImage } from "./test-services.ts";

interface Container {
  readonly Id: string;
  readonly Config: { readonly Labels: Record<string, string>; readonly User: string };
  readonly HostConfig: Record<string, unknown>;
  readonly State: { readonly StartedAt: string; readonly Pid: number };
}

/**
 * Servers whose runners are containers of the machine's engine, and a repository for their tasks.
 * Afterwards the harness checks that the engine has no trace of them.
 */
export class DockerHarness implements Disposable {
  readonly folder: string;
  readonly remote: string;
  readonly image: string;
  readonly host: string = dockerAddress();
  /** Runs Docker's own command. */
  readonly docker = createDockerCli(this.host);
  /** The labels of the servers' objects, to count the objects that remain. */
  readonly #labels = new Set<string>();

  private constructor(folder: string) {
    this.folder = folder;
    this.remote = createRepository(join(folder, "remote"));
    this.image = process.env["WHARF_RUNNER_IMAGE"] ?? ensureImage("runner");
  }

  static create(): DockerHarness {
    return new DockerHarness(createScratchFolder());
  }

  get serverLabels(): readonly string[] {
    return [...this.#labels];
  }

  createServer(name: string, environment: Record<string, string> = {}): ServerHarness {
    return new ServerHarness(join(this.folder, name), {
      WHARF_BACKEND: "docker",
      DOCKER_HOST: this.host,
      WHARF_RUNNER_IMAGE: this.image,
      ...environment,
    });
  }

  async startServer(name: string, environment?: Record<string, string>): Promise<DockerServer> {
    const wharf = this.createServer(name, environment);
    await wharf.start();
    return new DockerServer(this, wharf);
  }

  inspect(runnerId: string): Container {
    return JSON.parse(this.docker("inspect", `wharf-${runnerId}`))[0];
  }

  /** Registers the label of the runner's server for the final count. */
  registerServer(runnerId: string): void {
    this.#labels.add(this.inspect(runnerId).Config.Labels["wharf.server"] ?? "");
  }

  /** Lists the containers and volumes with the label of a registered server. */
  listRemains(): string[] {
    return this.serverLabels.flatMap((label) => {
      const filter = ["--filter", `label=wharf.server=${label}`, "--quiet"];
      return [this.docker("ps", "--all", ...filter), this.docker("volume", "ls", ...filter)].filter(Boolean);
    });
  }

  async expectNothingLeft(): Promise<void> {
    expect(this.serverLabels).not.toEqual([]);
    expect(this.listRemains()).toEqual([]);
    expect(this.docker("ps", "--all", "--quiet", "--filter", "name=-owner")).toBe("");
    await eventually(() => findTraces(this.folder), noTraces, 10_000);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A server for one test: its tasks, their runs and their runners. */
export class DockerServer implements AsyncDisposable {
  readonly wharf: ServerHarness;
  readonly #harness: DockerHarness;

  constructor(harness: DockerHarness, wharf: ServerHarness) {
    this.#harness = harness;
    this.wharf = wharf;
  }

  createTask(fields: Partial<TaskInput> = {}): Promise<Task> {
    return this.wharf.createTask({ repository_url: this.#harness.remote, ...fields });
  }

  async listRuns(task: Task): Promise<Run[]> {
    return (await this.wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents;
  }

  async listTurns(task: Task): Promise<Turn[]> {
    return (await this.wharf.client.call(api.listTaskTurns, { params: { task_id: task.id } })).turns;
  }

  /**
   * Returns the runner of the task's first run, and registers its server's label for the final
   * count.
   */
  async getRunnerId(task: Task): Promise<string> {
    const id = (await this.listRuns(task))[0]?.runner_id ?? "";
    this.#harness.registerServer(id);
    return id;
  }

  /** Deletes the tasks with their files, then stops the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { tasks } = await this.wharf.client.call(api.listTasks, { query: {} });
    for (const { id } of tasks) await this.wharf.client.call(api.deleteTask, { params: { task_id: id } });
    await eventually(() => this.#harness.listRemains(), [], 60_000);
    await this.wharf[Symbol.asyncDispose]();
  }
}
