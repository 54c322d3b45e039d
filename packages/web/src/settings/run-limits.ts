import { queryOptions } from "@tanstack/react-query";
import { wharf } from "../api/index.ts";

/** The limits of running turns, with the server's defaults. */
export const runLimitsQuery = queryOptions({
  queryKey: ["run-limits"],
  queryFn: ({ signal }) => wharf.runLimits.listRunLimits({ signal }),
});
