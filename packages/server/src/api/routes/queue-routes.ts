import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { Scope } from "../../access/index.ts";
import type { Queue, RunLimits, Scheduler } from "../../runs/index.ts";
import { nameRows } from "../../store/index.ts";
import type { Boards } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface QueueModules {
  readonly boards: Boards;
  readonly queue: Queue;
  readonly runLimits: RunLimits;
  readonly scheduler: Scheduler;
}

/** Serves the queue and its pause, and the limits of running turns. */
export function serveQueue(app: FastifyInstance, { boards, queue, runLimits, scheduler }: QueueModules): void {
  const readStatus = async (scope: Scope) => {
    const [{ queued, running }, { pause, slots }] = await Promise.all([queue.count(scope), queue.readState()]);
    return {
      status: pause === null ? ("running" as const) : ("paused" as const),
      active_agents: scope.is_operator ? scheduler.active : running,
      queued_tasks: queued,
      running_turns: running,
      slots,
      pause,
      uptime_seconds: Math.round((Date.now() - scheduler.started.getTime()) / 1000),
      last_heartbeat: scheduler.heartbeat,
    };
  };
  registerRoute(app, api.orchestratorStatus, ({ scope }) => readStatus(scope));
  registerRoute(app, api.orchestratorQueue, ({ scope, query }) => queue.list(scope, query));
  registerRoute(app, api.pauseQueue, async ({ scope, body }) => {
    await queue.pause({ by: scope.user_id, reason: body.reason });
    return readStatus(scope);
  });
  registerRoute(app, api.resumeQueue, async ({ scope }) => {
    await queue.resume();
    return readStatus(scope);
  });
  registerRoute(app, api.listRunLimits, async ({ scope, query }) => {
    const { perUser, perBoard, perOrganization } = runLimits.defaults;
    const defaults = { per_user: perUser, per_board: perBoard, per_organization: perOrganization };
    return { ...nameRows("limits", await runLimits.list(scope, query)), defaults };
  });
  registerRoute(app, api.setRunLimit, async ({ scope, body }) => {
    if (body.board_id !== undefined) await boards.get(scope, body.board_id);
    return runLimits.set(scope, body);
  });
  registerRoute(app, api.removeRunLimit, ({ scope, params }) => runLimits.remove(scope, params.limit_id));
}
