import type { EventData } from "@wharf/contract";
import type { Logger } from "pino";
import type { Log } from "./events/index.ts";
import type { GatewayContext, GatewayHooks } from "./gateway/index.ts";

/** The same refusal is shown once in this time: an agent that asks again and again fills no log. */
const quietTime = 60_000; // ms
const maxRemembered = 10_000;

/** What the gateway sees goes into the task's log: what was refused and what a model was asked. */
export function gatewayHooks(log: Log, logger: Logger): GatewayHooks {
  const shown = new Map<string, number>();
  const append = (context: GatewayContext, data: EventData) => {
    log
      .write(({ append: add }) => add(context.task_id, [{ run_id: context.run_id, data }]))
      .catch((error: unknown) =>
        logger.warn({ error, run_id: context.run_id }, "what the gateway saw could not be logged"),
      );
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
      append(context, { kind: "denied", host, reason });
    },
    modelRequest(context, use) {
      append(context, {
        kind: "usage",
        source: "gateway",
        model_requests: 1,
        wall_seconds: use.duration_ms / 1000,
        raw: use,
      });
    },
  };
}
