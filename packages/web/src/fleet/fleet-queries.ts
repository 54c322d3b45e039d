import { queryOptions } from "@tanstack/react-query";
import type { RunnerState } from "@wharf/client";
import { wharf } from "../api/index.ts";

/** Pages in hidden tabs do not ask. */
const refreshIntervalMs = 3_000;
const slowIntervalMs = 15_000;
/** The newest runners; others are found by their state. */
export const maxRunners = 500;

/** The cached answers about runners, the queue and the server; all keys begin with `fleet`. */
export const fleetQueries = {
  runners: (status: RunnerState | undefined) =>
    queryOptions({
      queryKey: ["fleet", "runners", status ?? "all"],
      queryFn: ({ signal }) => wharf.runners.listRunners({ limit: maxRunners, ...(status && { status }) }, { signal }),
      refetchInterval: refreshIntervalMs,
    }),
  runner: (id: string) =>
    queryOptions({
      queryKey: ["fleet", "runner", id],
      queryFn: ({ signal }) => wharf.runners.getRunner(id, {}, { signal }),
      refetchInterval: refreshIntervalMs,
    }),
  /** What the models of each run, and of each runner without a run, cost in 30 days. */
  costs: queryOptions({
    queryKey: ["fleet", "costs"],
    queryFn: async ({ signal }) => {
      const { rows } = await wharf.usage.getUsage({ group_by: "run", limit: 10_000 }, { signal });
      return new Map(rows.map(({ key, cost_usd }) => [key, cost_usd]));
    },
    refetchInterval: slowIntervalMs,
  }),
  status: queryOptions({
    queryKey: ["fleet", "status"],
    queryFn: ({ signal }) => wharf.orchestrator.orchestratorStatus({ signal }),
    refetchInterval: refreshIntervalMs,
  }),
  queue: queryOptions({
    queryKey: ["fleet", "queue"],
    queryFn: ({ signal }) => wharf.orchestrator.orchestratorQueue({ limit: 100 }, { signal }),
    refetchInterval: refreshIntervalMs,
  }),
  server: queryOptions({
    queryKey: ["fleet", "server"],
    queryFn: ({ signal }) => wharf.server.serverInfo({ signal }),
    refetchInterval: slowIntervalMs,
  }),
  /** Operators see each part of the server, and other people only what does not work. */
  health: (isOperator: boolean) =>
    queryOptions({
      queryKey: ["fleet", "health", isOperator],
      queryFn: async ({ signal }) => {
        if (!isOperator) return { ...(await wharf.health.health({ signal })), parts: [] };
        const { parts, status } = await wharf.health.serverHealth({ signal });
        return { status, parts, problems: undefined };
      },
      refetchInterval: slowIntervalMs,
    }),
};
