import type { searchApi } from "@wharf/contract";
import { findRipgrep, searchContents, searchNames } from "../search/index.ts";
import type { HandlersOf } from "./handlers-of.ts";

export const searchHandlers = ({ workspace }: { workspace: string }): HandlersOf<typeof searchApi> => ({
  searchNames: ({ body }, signal) => searchNames(workspace, body, signal),
  searchContents: ({ body }, signal) => searchContents(workspace, body, { signal, ripgrep: findRipgrep() }),
});
