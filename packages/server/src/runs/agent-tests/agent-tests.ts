import { randomUUID } from "node:crypto";
import { type AgentTestEvent, type AgentTestInput, type Event, toWharfError, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import type { Logger } from "pino";
import type { Scope } from "../../access/index.ts";
import type { AgentTypes, AgentTypeView } from "../../agent-types/index.ts";
import { followTaskLog, type Log } from "../../events/index.ts";
import { type Database, type Executor, schema } from "../../store/index.ts";
import type { Boards, Tasks } from "../../tasks/index.ts";
import type { RunCommands } from "../commands/run-commands.ts";
import { AgentTestReport } from "./agent-test-report.ts";

const { tasks } = schema;

/** How long a test waits for the measurement of its runner after the agent's turn. */
const measureTimeoutMs = 3_000;
/**
 * A task that is still there this long after its test should have ended belongs to a server that
 * was killed.
 */
const expiryMarginMs = 30_000;

const deletionCheckIntervalMs = 2_000;

export interface AgentTestsOptions {
  readonly db: Database;
  readonly log: Log;
  readonly boards: Boards;
  readonly tasks: Tasks;
  readonly commands: RunCommands;
  readonly agentTypes: AgentTypes;
  readonly logger: Logger;
}

interface AgentTest {
  readonly type: AgentTypeView;
  readonly board_id: string;
  readonly prompt: string;
  readonly report: AgentTestReport;
  /** The person who tests. */
  readonly by: string;
  readonly timeoutMs: number;
  /** Aborts when the caller leaves. */
  readonly signal: AbortSignal;
}

/**
 * Tests of agent types. A test is a run like any other, of a task that the test creates, prompts
 * once, follows and deletes. The task has a time at which `ExpiredTasks` deletes it, in case this
 * server is killed.
 */
export class AgentTests {
  readonly #options: AgentTestsOptions;

  constructor(options: AgentTestsOptions) {
    this.#options = options;
  }

  /**
   * Begins a test, unless the agent could not start. The events come as they happen, the result
   * last. A caller that stops reading ends the test.
   */
  async start(
    scope: Scope,
    typeId: string,
    { input, signal }: { input: AgentTestInput; signal: AbortSignal },
  ): Promise<AsyncGenerator<AgentTestEvent, void, undefined>> {
    const type = await this.#options.agentTypes.chooseType(scope, typeId);
    const { id: boardId } = await this.#findBoard(scope, input.board_id);
    return this.#run({
      type,
      board_id: boardId,
      prompt: input.prompt,
      report: new AgentTestReport(type),
      by: scope.user_id,
      timeoutMs: input.timeout_s * 1_000,
      signal,
    });
  }

  /** Returns the named board, or the oldest on which the person may start an agent. */
  async #findBoard(scope: Scope, id: string | undefined): Promise<{ readonly id: string }> {
    const { boards } = this.#options;
    if (id !== undefined) return boards.get(scope, id);
    const board = await boards.findEditable(scope);
    if (board) return board;
    const message = "no board is shared with you on which you may start an agent; create one";
    throw new WharfError("bad_request", { issues: [{ path: "board_id", message }] });
  }

  async *#run(test: AgentTest): AsyncGenerator<AgentTestEvent, void, undefined> {
    const { report, type, by, prompt: text, signal } = test;
    let taskId: string | undefined;
    try {
      yield* report.begin();
      taskId = await this.#createTask(test);
      await this.#options.commands.prompt(taskId, { text, by, agent_type: type.name });
      yield* report.finish(yield* this.#follow(taskId, test));
    } catch (error) {
      if (!signal.aborted) yield* report.finish(this.#toFailure(type, error));
    } finally {
      if (taskId !== undefined) await this.#deleteTask(taskId);
    }
  }

  async #createTask({ type, board_id: boardId, prompt, by, timeoutMs }: AgentTest): Promise<string> {
    const fields = {
      title: `Test of the agent '${type.name}'`,
      description: prompt,
      priority: 0,
      agent_type: type.name,
      // The test refuses what the agent asks for. Agents that only print ask for nothing.
      permission_policy: type.protocol === "acp" ? ("ask" as const) : ("allow-all" as const),
    };
    const setExpiry = async (tx: Executor, id: string) => {
      const expiresAt = new Date(Date.now() + timeoutMs + expiryMarginMs);
      await tx.update(tasks).set({ expires_at: expiresAt }).where(eq(tasks.id, id));
    };
    return (await this.#options.tasks.create(by, boardId, fields, setExpiry)).id;
  }

  /** If the database fails, `ExpiredTasks` deletes the task later. */
  async #deleteTask(taskId: string): Promise<void> {
    try {
      await this.#options.commands.delete(taskId);
    } catch (error) {
      if (error instanceof WharfError && error.code === "task_not_found") return;
      this.#options.logger.warn({ task_id: taskId, error }, "could not delete the task of an agent's test");
    }
  }

  /** Follows the task until the test is over. Returns why it ended early. */
  async *#follow(
    taskId: string,
    { report, type, by, timeoutMs, signal }: AgentTest,
  ): AsyncGenerator<AgentTestEvent, WharfError | undefined, undefined> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const unmeasured = new AbortController();
    using watch = this.#watchDeletion(taskId);
    const ends = AbortSignal.any([signal, timeout, unmeasured.signal, watch.signal]);
    let timer: NodeJS.Timeout | undefined;
    try {
      for await (const events of followTaskLog(this.#options.log, taskId, { after: 0, signal: ends })) {
        for (const event of events) {
          yield* report.add(event);
          await this.#refuseQuestion(taskId, event, by);
        }
        if (report.isComplete) return undefined;
        if (report.isDecided) timer ??= setTimeout(() => unmeasured.abort(), measureTimeoutMs);
      }
    } finally {
      clearTimeout(timer);
    }
    if (report.isDecided) return undefined;
    if (watch.signal.aborted)
      return new WharfError("agent_test_ended", { name: type.name, reason: "somebody deleted its task" });
    return new WharfError("agent_test_timeout", { name: type.name, after_s: timeoutMs / 1_000, phase: report.phase });
  }

  /** A deleted task gets no further event. */
  #watchDeletion(taskId: string): Disposable & { readonly signal: AbortSignal } {
    const controller = new AbortController();
    const check = async () => {
      const [task] = await this.#options.db
        .select({ deleted_at: tasks.deleted_at })
        .from(tasks)
        .where(eq(tasks.id, taskId));
      if (!task || task.deleted_at !== null) controller.abort();
    };
    // A database that is not available for a moment is asked again.
    const timer = setInterval(() => void check().catch(() => undefined), deletionCheckIntervalMs);
    return { signal: controller.signal, [Symbol.dispose]: () => clearInterval(timer) };
  }

  async #refuseQuestion(taskId: string, { data }: Event, by: string): Promise<void> {
    if (data.kind !== "permission" || data.status !== "asked") return;
    try {
      await this.#options.commands.answerPermission(taskId, { permission_id: data.permission_id, by });
    } catch (error) {
      // A person was faster, or the turn has ended.
      if (!(error instanceof WharfError) || error.code !== "permission_request_closed") throw error;
    }
  }

  /** Somebody may delete the task before its prompt is stored. */
  #toFailure({ name }: AgentTypeView, thrown: unknown): WharfError {
    if (thrown instanceof WharfError && thrown.code === "task_not_found")
      return new WharfError("agent_test_ended", { name, reason: "somebody deleted its task" });
    const reference = randomUUID();
    const error = toWharfError(thrown, reference);
    if (error instanceof WharfError && error.code !== "internal") return error;
    this.#options.logger.error({ reference, error: thrown }, "the test of an agent failed inside Wharf");
    return new WharfError("internal", { reference }, { cause: thrown });
  }
}
