import type { EventData } from "@wharf/contract";
import type { Logger } from "pino";
import { DenialLines } from "./denial-lines.ts";
import type { Log } from "./events/index.ts";
import type { GatewayContext, GatewayHooks } from "./gateway/index.ts";
import type { ModelHealth } from "./model-health.ts";

/** What the gateway saw is written together this much later, so that no answer of a model waits for the database. */
const writeDelayMs = 100;
/** Events of one transaction: short enough for one insert, and for others who want to write to the task. */
const maxEventsPerWrite = 500;

interface Line {
  readonly run_id: string;
  readonly data: EventData;
}

export interface GatewayHooksOptions {
  readonly log: Log;
  readonly logger: Logger;
  readonly modelHealth: ModelHealth;
}

/** What the gateway sees goes into the task's log: what was refused, what a model was asked and how its server fails. */
export function gatewayHooks({ log, logger, modelHealth }: GatewayHooksOptions): GatewayHooks & AsyncDisposable {
  const denials = new DenialLines();
  const waiting = new Map<string, Line[]>();
  const writers = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;

  const writeTask = async (taskId: string) => {
    for (let lines = waiting.get(taskId); lines; lines = waiting.get(taskId)) {
      const events = lines.splice(0, maxEventsPerWrite);
      if (lines.length === 0) waiting.delete(taskId);
      await log
        .write(({ append }) => append(taskId, events))
        .catch((error: unknown) => logger.warn({ error, task_id: taskId }, "what the gateway saw could not be logged"));
    }
  };
  /** One writer per task, so that its lines stay in order. */
  const writeAll = async () => {
    timer = undefined;
    for (const taskId of waiting.keys()) {
      if (writers.has(taskId)) continue;
      writers.set(
        taskId,
        writeTask(taskId).finally(() => writers.delete(taskId)),
      );
    }
    await Promise.all(writers.values());
  };
  const keep = ({ runner_id, task_id, run_id }: GatewayContext, data: EventData) => {
    if (task_id === undefined) return logger.info({ runner_id, ...data }, "the gateway served a standalone runner");
    const lines = waiting.get(task_id) ?? [];
    waiting.set(task_id, lines);
    lines.push({ run_id, data });
    timer ??= setTimeout(() => void writeAll(), writeDelayMs);
  };

  const showModel = (context: GatewayContext, message: string | undefined) => {
    if (message === undefined) return;
    keep(context, { kind: "notice", message });
    const { run_id, task_id, model_route } = context;
    logger.warn({ run_id, task_id, model_route }, message);
  };

  return {
    async pushed(context, push) {
      logger.debug({ run_id: context.run_id, ...push }, "a mirror took a push");
    },
    denied(context, { host, reason }) {
      const outcome = denials.admit(context.run_id, host);
      if (outcome === "list") keep(context, { kind: "denied", host, reason });
      else if (outcome === "close")
        keep(context, { kind: "notice", message: "Further denials of this run are not listed." });
    },
    modelRequest(context, use) {
      const wall_seconds = use.duration_ms / 1000;
      keep(context, { kind: "usage", source: "gateway", model_requests: 1, wall_seconds, raw: use });
    },
    watchAnswer(context) {
      modelHealth.begin(context.run_id);
      return {
        slow: (fault) => showModel(context, modelHealth.show(context.run_id, fault)),
        end: (outcome) => showModel(context, modelHealth.end(context.run_id, outcome)),
      };
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await writeAll();
    },
  };
}
