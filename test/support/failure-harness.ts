import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, type AgentTypeInput, type Event, type TaskInput } from "@wharf/contract";
import { expect } from "vitest";
import { Bystander, getFailures, waitUntilSettled, readWholeLog } from "./log.ts";
import { createRepository } from "./repository.ts";
import { configurableServer, createScratchFolder, ServerHarness } from "./server-harness.ts";

const times = { agentStart: 4_000, turnIdle: 4_000, retryDelay: 200 }; // ms

type Failure = ReturnType<typeof getFailures>[number];

export interface FailingTask {
  readonly fields?: Partial<TaskInput>;
  readonly prompt?: string;
  /** The error and the next step, as a person reads them. */
  readonly code: string;
  readonly message: RegExp;
  readonly next: RegExp;
}

/**
 * A server with short timeouts on which tasks fail. A bystander's task on the same server works
 * as before.
 */
export class FailureHarness implements AsyncDisposable {
  readonly folder: string;
  readonly wharf: ServerHarness;
  /** A valid repository. */
  readonly repository: string;
  readonly bystander: Bystander;

  private constructor(parts: Pick<FailureHarness, "folder" | "wharf" | "repository" | "bystander">) {
    this.folder = parts.folder;
    this.wharf = parts.wharf;
    this.repository = parts.repository;
    this.bystander = parts.bystander;
  }

  static async start(environment: Record<string, string> = {}): Promise<FailureHarness> {
    const folder = createScratchFolder();
    const repository = createRepository(join(folder, "good"));
    const wharf = new ServerHarness(
      folder,
      { MAX_REPO_SIZE_MB: "1", WHARF_MAX_RUNS: "12", WHARF_TEST_TIMES: JSON.stringify(times), ...environment },
      configurableServer,
    );
    await wharf.start();
    const bystander = await Bystander.at(wharf, repository);
    return new FailureHarness({ folder, wharf, repository, bystander });
  }

  /**
   * Makes a task fail, then checks that the task and its run report the reason, and that a valid
   * prompt works afterwards.
   */
  async expectFailure(expected: FailingTask): Promise<Event[]> {
    const { wharf, repository } = this;
    const task = await wharf.createTask({ repository_url: repository, ...expected.fields });
    const before = await readWholeLog(wharf, task);
    await wharf.prompt(task, expected.prompt ?? "demo: say never");
    const failed = await waitUntilSettled(wharf, task);
    const events = await readWholeLog(wharf, task, before);
    expect(getFailures(events).at(-1)).toMatchObject({
      code: expected.code,
      message: expect.stringMatching(expected.message),
      next: expect.stringMatching(expected.next),
    } satisfies Partial<Record<keyof Failure, unknown>>);
    expect(failed.state).toBe("FAILED");
    await this.bystander.works();

    const params = { task_id: task.id };
    await wharf.client.call(api.updateTask, { params, body: { repository_url: repository } });
    const again = { text: "demo: say now it works", agent_type: "demo" };
    await wharf.client.call(api.promptTask, { params, body: again });
    const { agents } = await wharf.client.call(api.listTaskAgents, { params });
    expect(agents.at(-1)).toMatchObject({
      status: "FAILED",
      error_code: expected.code,
      error_message: expect.stringMatching(expected.message),
    });
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: expected.fields?.branch ? "FAILED" : "REVIEW" });
    await readWholeLog(wharf, task, events);
    return events;
  }

  /** Creates an agent type, and returns its name. */
  async createAgentType(
    name: string,
    command: string[],
    protocol: AgentTypeInput["protocol"] = "acp",
  ): Promise<string> {
    await this.wharf.client.call(api.createAgentType, { body: { name, command, protocol } });
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wharf[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
