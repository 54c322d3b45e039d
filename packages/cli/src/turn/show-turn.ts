import { api, type Diff, type Event, type EventDataByKind, RemoteError, type Task } from "@wharf/contract";
import { type Cli, toJsonLine } from "../cli.ts";
import type { Interrupts } from "../interrupts.ts";
import { LogView } from "../render/log-view.ts";
import { toShortId } from "../tasks/tasks.ts";
import { followTurn, restartTimeoutMs } from "./await-turn.ts";
import type { Summary } from "./summary.ts";
import { openTurnQuestions } from "./turn-questions.ts";

export interface WatchTurnOptions {
  readonly task: Task;
  readonly turnId: string;
  readonly after: number;
  /**
   * The first interruption asks the server to stop the task, and its last events are still shown;
   * the next interruption leaves.
   */
  readonly interrupts: Pick<Interrupts, "signal" | "hurry">;
}

/** Limits the wait for a task to stop; the server stops it even after the command has left. */
const stopTimeoutMs = 30_000;

/**
 * Shows a turn as it happens, lets the user answer the agent's questions, and reports the outcome.
 */
export async function watchTurn(cli: Cli, options: WatchTurnOptions): Promise<Summary> {
  const { client, terminal, settings } = cli;
  const { task, turnId, interrupts } = options;
  const view = new LogView({ style: terminal.style });
  const params = { task_id: task.id };
  const startedAt = performance.now();
  await using questions = cli.terminal.isInteractive && !settings.json ? openTurnQuestions(cli, task.id) : undefined;
  using stopOnAbort = new StopOnAbort(interrupts, async () => {
    terminal.err(`${settings.json ? "" : view.endLine()}Stopping the task. Press Ctrl-C again to exit at once.\n`);
    await client.call(
      api.stopTask,
      { params, body: { reason: "stopped from the command line" } },
      { retryTimeoutMs: stopTimeoutMs },
    );
  });

  const onEvent = (event: Event) => {
    if (settings.json) terminal.out(toJsonLine(event));
    else terminal.out(view.show(event));
    const { data } = event;
    if (questions) questions.handle(event);
    else if (data.kind === "permission" && data.status === "asked") terminal.err(formatAnswerHint(task, data));
  };
  const onConnection = (state: "lost" | "back") => {
    if (!settings.json) terminal.out(view.endLine());
    terminal.err(state === "lost" ? "The server does not answer; waiting for it …\n" : "The server is back.\n");
  };
  const outcome = await followTurn({
    client,
    taskId: task.id,
    turnId,
    after: options.after,
    signal: stopOnAbort.abandonSignal,
    onEvent,
    onConnection,
  });
  if (!settings.json) terminal.out(view.endLine());
  const endedTask = await client.call(api.getTask, { params }, { retryTimeoutMs: restartTimeoutMs });
  return {
    task: endedTask,
    turnId,
    outcome,
    diff: outcome.commit && (await getDiff(cli, task.id)),
    tookMs: performance.now() - startedAt,
  };
}

/** Asks once for the task to be stopped, and stops waiting for its end after a while. */
class StopOnAbort implements Disposable {
  readonly #signal: AbortSignal;
  readonly #abandonment = new AbortController();
  readonly #onAbort: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor({ signal, hurry }: Pick<Interrupts, "signal" | "hurry">, stop: () => Promise<void>) {
    this.#signal = signal;
    this.#onAbort = () => {
      this.#timer = setTimeout(() => this.#abandonment.abort(signal.reason), stopTimeoutMs);
      stop().catch((error: unknown) => {
        // The turn may have just ended normally; its end is in the log then.
        if (!(error instanceof RemoteError)) this.#abandonment.abort(error);
      });
    };
    hurry.addEventListener("abort", () => this.#abandonment.abort(signal.reason), { once: true });
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get abandonSignal(): AbortSignal {
    return this.#abandonment.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

const formatAnswerHint = (task: Task, { options = [] }: EventDataByKind<"permission">): string =>
  `The agent is waiting for an answer. Answer with \`wharf task answer ${toShortId(task.id)} <option>\`${options.length > 0 ? ` (${options.map((_, i) => i + 1).join(", ")})` : ""}, or refuse with \`wharf task answer ${toShortId(task.id)} --refuse\`.\n`;

/** Returns undefined if the task has no change to report. */
async function getDiff({ client }: Cli, taskId: string): Promise<Diff | undefined> {
  try {
    return await client.call(api.getTaskDiff, { params: { task_id: taskId } }, { retryTimeoutMs: restartTimeoutMs });
  } catch (error) {
    if (error instanceof RemoteError) return undefined;
    throw error;
  }
}
