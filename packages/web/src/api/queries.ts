import { queryOptions } from "@tanstack/react-query";
import { wharf } from "./client.ts";

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
    queryFn: async ({ signal }) => (await wharf.boards.listBoards({}, { signal })).boards,
  }),
  board: (id: string) =>
    queryOptions({ queryKey: ["board", id], queryFn: ({ signal }) => wharf.boards.getBoard(id, { signal }) }),
  boardTasks: (id: string) =>
    queryOptions({
      queryKey: ["board", id, "tasks"],
      queryFn: async ({ signal }) => (await wharf.tasks.listBoardTasks(id, {}, { signal })).tasks,
    }),
  task: (id: string) =>
    queryOptions({ queryKey: ["task", id], queryFn: ({ signal }) => wharf.tasks.getTask(id, {}, { signal }) }),
};
