import { queryOptions } from "@tanstack/react-query";
import { maxPageLength, wharf } from "../api/index.ts";

/** The limits of running turns, with the server's defaults. */
export const runLimitsQuery = queryOptions({
  queryKey: ["run-limits"],
  queryFn: async ({ signal }) => {
    const [{ defaults }, limits] = await Promise.all([
      wharf.runLimits.listRunLimits({ limit: 1 }, { signal }),
      Array.fromAsync(wharf.runLimits.iterateRunLimits({ limit: maxPageLength }, { signal })),
    ]);
    return { defaults, limits };
  },
});
