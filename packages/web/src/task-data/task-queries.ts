import { queryOptions } from "@tanstack/react-query";
import type { Turn } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { readOffer } from "./offer.ts";

/** The cached answers about one task; `useTaskUpdates` knows their keys. */
export const taskQueries = {
  turns: (taskId: string) =>
    queryOptions({
      queryKey: ["task", taskId, "turns"],
      queryFn: async ({ signal }) => {
        const turns: Turn[] = [];
        for await (const turn of wharf.tasks.iterateTaskTurns(taskId, {}, { signal })) turns.push(turn);
        return turns;
      },
    }),
  status: (taskId: string) =>
    queryOptions({
      queryKey: ["task", taskId, "status"],
      queryFn: ({ signal }) => wharf.tasks.taskStatus(taskId, { signal }),
    }),
  /** The latest run. */
  run: (taskId: string) =>
    queryOptions({
      queryKey: ["task", taskId, "run"],
      queryFn: async ({ signal }) =>
        (await wharf.agents.listTaskAgents(taskId, { limit: 1 }, { signal })).agents[0] ?? null,
    }),
  cost: (taskId: string) =>
    queryOptions({
      queryKey: ["task", taskId, "cost"],
      queryFn: ({ signal }) => wharf.usage.getUsage({ task_id: taskId, group_by: "turn" }, { signal }),
    }),
  comments: (taskId: string) =>
    queryOptions({
      queryKey: ["task", taskId, "comments"],
      queryFn: async ({ signal }) => (await wharf.tasks.listComments(taskId, { limit: 1_000 }, { signal })).comments,
    }),
  offer: (taskId: string) =>
    queryOptions({
      queryKey: ["offer", taskId],
      queryFn: ({ signal }) => readOffer(taskId, signal),
    }),
};
