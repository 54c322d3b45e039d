import { queryOptions } from "@tanstack/react-query";
import { wharf } from "./client.ts";

const costIntervalMs = 15_000;
/** The most items of a list that one answer has. */
export const maxPageLength = 1_000;

/** The cached answers of the server, by what they are about. */
export const queries = {
  whoami: queryOptions({
    queryKey: ["whoami"],
    queryFn: ({ signal }) => wharf.whoami.whoami({ signal }),
    staleTime: Infinity,
  }),
  server: queryOptions({
    queryKey: ["server"],
    queryFn: ({ signal }) => wharf.server.serverInfo({ signal }),
    staleTime: Infinity,
  }),
  boards: queryOptions({
    queryKey: ["boards"],
    queryFn: ({ signal }) => Array.fromAsync(wharf.boards.iterateBoards({ limit: maxPageLength }, { signal })),
  }),
  board: (id: string) =>
    queryOptions({ queryKey: ["board", id], queryFn: ({ signal }) => wharf.boards.getBoard(id, { signal }) }),
  /** The cost of each task of a board in dollars, by id. */
  boardCosts: (id: string) =>
    queryOptions({
      queryKey: ["board", id, "costs"],
      queryFn: async ({ signal }) => {
        const { rows } = await wharf.usage.getUsage({ board_id: id, group_by: "task", limit: 1_000 }, { signal });
        return new Map(rows.map(({ key, cost_usd }) => [String(key), cost_usd]));
      },
      refetchInterval: costIntervalMs,
    }),
  agentTypes: queryOptions({
    queryKey: ["agent-types"],
    queryFn: async ({ signal }) =>
      (await Array.fromAsync(wharf.agentTypes.iterateAgentTypes({ limit: maxPageLength }, { signal }))).filter(
        ({ enabled }) => enabled,
      ),
  }),
  templates: queryOptions({
    queryKey: ["templates"],
    queryFn: ({ signal }) => Array.fromAsync(wharf.templates.iterateTemplates({ limit: maxPageLength }, { signal })),
  }),
  /** The people and programs of the organization. */
  members: queryOptions({
    queryKey: ["members"],
    queryFn: ({ signal }) => Array.fromAsync(wharf.users.iterateMembers({ limit: maxPageLength }, { signal })),
  }),
  /** The repositories of a board's latest tasks. */
  recentRepositories: (boardId: string) =>
    queryOptions({
      queryKey: ["board", boardId, "repositories"],
      queryFn: async ({ signal }) => {
        const query = { limit: 200, fields: "repository_url" };
        const { tasks } = await wharf.tasks.listBoardTasks(boardId, query, { signal });
        return [...new Set(tasks.flatMap(({ repository_url }) => repository_url ?? []))];
      },
    }),
  /** Tasks of all boards with a text in their title. */
  foundTasks: (text: string) =>
    queryOptions({
      queryKey: ["tasks", text],
      queryFn: async ({ signal }) => {
        const query = { text: text.slice(0, 200), fields: "id,title", limit: 20, sort: "-updated_at" } as const;
        return (await wharf.tasks.listTasks(query, { signal })).tasks;
      },
    }),
  task: (id: string) =>
    queryOptions({ queryKey: ["task", id], queryFn: ({ signal }) => wharf.tasks.getTask(id, {}, { signal }) }),
};
