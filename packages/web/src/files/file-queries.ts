import { queryOptions } from "@tanstack/react-query";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";

const maxEntries = 2_000;

/** The cached files of a workspace. */
export const fileQueries = {
  folder: ({ id, api }: WorkspacePlace, path: string) =>
    queryOptions({
      queryKey: ["files", id, "folder", path],
      queryFn: ({ signal }) => api.listFolder({ path, limit: maxEntries }, { signal }),
    }),
  /** A file that is edited stays as it was read; saving compares it with the newest version. */
  content: ({ id, api }: WorkspacePlace, path: string) =>
    queryOptions({
      queryKey: ["file", id, path],
      queryFn: ({ signal }) => api.readFile({ path }, { signal }),
      staleTime: Infinity,
      gcTime: 0,
    }),
  names: ({ id, api }: WorkspacePlace, query: string) =>
    queryOptions({
      queryKey: ["files", id, "names", query],
      queryFn: ({ signal }) => api.searchNames({ query, limit: 50 }, { signal }),
      enabled: query !== "",
    }),
  contents: ({ id, api }: WorkspacePlace, pattern: string) =>
    queryOptions({
      queryKey: ["files", id, "contents", pattern],
      queryFn: ({ signal }) => findContents(api, pattern, signal),
      enabled: pattern.length >= 2,
    }),
};

export interface FoundLine {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

async function findContents(api: WorkspacePlace["api"], pattern: string, signal: AbortSignal): Promise<FoundLine[]> {
  const found: FoundLine[] = [];
  const lines = api.searchContents({ pattern, case: "smart", limit: 100 }, { signal });
  for await (const line of lines) if (line.type === "match") found.push(line);
  return found;
}
