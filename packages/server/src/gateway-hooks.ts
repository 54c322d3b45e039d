import type { EventData } from "@wharf/contract";
import type { Logger } from "pino";
import type { Log } from "./events/index.ts";
import type { GatewayContext, GatewayHooks } from "./gateway/index.ts";

/** The same refusal is shown once in this time: an agent that asks again and again fills no log. */
const quietTime = 60_000; // ms
const maxRemembered = 10_000;
/** What the gateway saw is written together this much later, so that no answer of a model waits for the database. */
const writeDelay = 100; // ms

/** What the gateway sees goes into the task's log: what was refused and what a model was asked. */
export function gatewayHooks(log: Log, logger: Logger): GatewayHooks & AsyncDisposable {
  const shown = new Map<string, number>();
  const waiting = new Map<string, { run_id: string; data: EventData }[]>();
  let timer: NodeJS.Timeout | undefined;

  const writeTask = async (taskId: string, events: { run_id: string; data: EventData }[]) => {
    await log
      .write(({ append }) => append(taskId, events))
      .catch((error: unknown) => logger.warn({ error, task_id: taskId }, "what the gateway saw could not be logged"));
  };
  const writeAll = async () => {
    timer = undefined;
    const batches = [...waiting];
    waiting.clear();
    await Promise.all(batches.map(([taskId, events]) => writeTask(taskId, events)));
  };
  const keep = ({ task_id, run_id }: GatewayContext, data: EventData) => {
    waiting.set(task_id, [...(waiting.get(task_id) ?? []), { run_id, data }]);
    timer ??= setTimeout(() => void writeAll(), writeDelay);
  };

  return {
    async pushed(context, push) {
      logger.debug({ run_id: context.run_id, ...push }, "a mirror took a push");
    },
    denied(context, { host, reason }) {
      const key = `${context.run_id} ${host}`;
      const now = Date.now();
      if (now - (shown.get(key) ?? 0) < quietTime) return;
      if (shown.size >= maxRemembered) shown.clear();
      shown.set(key, now);
      keep(context, { kind: "denied", host, reason });
    },
    modelRequest(context, use) {
      const wall_seconds = use.duration_ms / 1000;
      keep(context, { kind: "usage", source: "gateway", model_requests: 1, wall_seconds, raw: use });
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await writeAll();
    },
  };
}
