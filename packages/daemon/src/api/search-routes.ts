import type { searchApi } from "@wharf/contract";
import { findRipgrep, searchContents, searchNames } from "../search/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export const createSearchHandlers = ({ workspace }: { workspace: string }): RouteHandlers<typeof searchApi> => ({
  searchNames: ({ body }, signal) => searchNames(workspace, body, signal),
  searchContents: ({ body }, signal) => searchContents(workspace, body, { signal, ripgrep: findRipgrep() }),
});
