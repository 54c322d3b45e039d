import { queryOptions } from "@tanstack/react-query";
import { maxPageLength, wharf } from "../api/index.ts";

/** The tokens that the person may revoke: their own, and for admins those of all members. */
export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: ({ signal }) => Array.fromAsync(wharf.tokens.iterateAccessTokens({ limit: maxPageLength }, { signal })),
});
