import { api, type ModelRouteView, type PartName, type ServerSetting, WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { WarmPool } from "../../runners/index.ts";
import type { Boards } from "../../tasks/index.ts";
import type { PriceTable } from "../../usage/index.ts";
import { registerRoute } from "../http/register-route.ts";

/** What is known about a part of the server. The problem and the next step are for everyone. */
interface PartHealth {
  readonly name: PartName;
  readonly status: "ok" | "failed" | "unknown";
  readonly problem?: string | undefined;
  readonly next?: string | undefined;
  readonly reason?: string | undefined;
  readonly checked_at?: Date;
  readonly duration_ms?: number;
}

export interface SystemModules {
  readonly boards: Boards;
  readonly pool: Pick<WarmPool, "getLevels">;
  /** The known health of the server: nothing waits for a check. */
  readonly health: {
    readonly report: { readonly status: "ok" | "degraded"; readonly problems: readonly string[] };
    readonly parts: readonly PartHealth[];
    readonly isReady: boolean;
  };
  /** Removes the server's secrets from a text. */
  readonly redact: (text: string) => string;
  readonly server: {
    version: string;
    started_at: Date;
    data_folder: string;
    default_board_id: string;
    backend: string;
    isolation: string;
    isolation_reason?: string;
    limits?: string;
  };
  /** What the server was started with. */
  readonly setup: {
    readonly settings: readonly ServerSetting[];
    readonly modelRoutes: readonly ModelRouteView[];
    readonly prices: Pick<PriceTable, "list">;
  };
  readonly shutdown: (options: { runners: boolean }) => void;
}

/** Serves the health of the server, its description and its end. */
export function serveSystem(app: FastifyInstance, modules: SystemModules): void {
  const { boards, health, redact, server, setup, pool, shutdown } = modules;
  const { version } = server;
  registerRoute(app, api.health, async () => {
    const { status, problems } = health.report;
    return { status, version, ...(problems.length > 0 && { problems }) };
  });
  registerRoute(app, api.ready, async () => {
    if (health.isReady) return { status: "ready" as const, version };
    const problems = health.parts.flatMap(({ name, problem, next = "" }) =>
      problem === undefined ? [] : [{ part: name, problem, next }],
    );
    throw new WharfError("not_ready", { problems });
  });
  registerRoute(app, api.serverHealth, async () => ({
    status: health.report.status,
    version,
    started_at: server.started_at,
    parts: health.parts.map(({ reason, ...part }) => ({ ...part, ...(reason && { reason: redact(reason) }) })),
  }));
  registerRoute(app, api.serverInfo, async ({ scope }) => {
    const { data_folder, default_board_id, started_at: _, ...info } = server;
    const levels = pool.getLevels();
    return {
      ...info,
      ...(scope.is_operator && { data_folder, pid: process.pid }),
      ...((await boards.isVisible(scope, default_board_id)) && { default_board_id }),
      ...(levels.length > 0 && { pool: levels }),
    };
  });
  registerRoute(app, api.listServerSettings, async () => ({
    settings: setup.settings.map(({ value, ...setting }) => ({
      ...setting,
      ...(value !== undefined && { value: redact(value) }),
    })),
  }));
  registerRoute(app, api.listModelRoutes, async () => ({
    routes: [...setup.modelRoutes],
    prices: setup.prices.list(new Date()),
  }));
  registerRoute(app, api.shutdown, async ({ body }) => {
    shutdown(body);
    return { ok: true as const, pid: process.pid };
  });
}
