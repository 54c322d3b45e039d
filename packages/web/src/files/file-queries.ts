import { queryOptions } from "@tanstack/react-query";
import { wharf } from "../api/index.ts";

const maxEntries = 2_000;

/** The cached files of a task's workspace. */
export const fileQueries = {
  folder: (taskId: string, path: string) =>
    queryOptions({
      queryKey: ["files", taskId, "folder", path],
      queryFn: ({ signal }) => wharf.taskWorkspace(taskId).listFolder({ path, limit: maxEntries }, { signal }),
    }),
  /** A file that is edited stays as it was read; saving compares it with the newest version. */
  content: (taskId: string, path: string) =>
    queryOptions({
      queryKey: ["file", taskId, path],
      queryFn: ({ signal }) => wharf.taskWorkspace(taskId).readFile({ path }, { signal }),
      staleTime: Infinity,
      gcTime: 0,
    }),
  names: (taskId: string, query: string) =>
    queryOptions({
      queryKey: ["files", taskId, "names", query],
      queryFn: ({ signal }) => wharf.taskWorkspace(taskId).searchNames({ query, limit: 50 }, { signal }),
      enabled: query !== "",
    }),
  contents: (taskId: string, pattern: string) =>
    queryOptions({
      queryKey: ["files", taskId, "contents", pattern],
      queryFn: ({ signal }) => findContents(taskId, pattern, signal),
      enabled: pattern.length >= 2,
    }),
};

export interface FoundLine {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

async function findContents(taskId: string, pattern: string, signal: AbortSignal): Promise<FoundLine[]> {
  const found: FoundLine[] = [];
  const lines = wharf.taskWorkspace(taskId).searchContents({ pattern, case: "smart", limit: 100 }, { signal });
  for await (const line of lines) if (line.type === "match") found.push(line);
  return found;
}
