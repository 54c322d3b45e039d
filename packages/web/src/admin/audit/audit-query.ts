import { infiniteQueryOptions } from "@tanstack/react-query";
import { wharf } from "../../api/index.ts";
import type { AdminSearch } from "../admin-search.ts";

const pageSize = 50;

/** Returns the filter of a request: whole days of the person's own time zone. */
function toAuditFilter({ actor, action, target, result, ...days }: AdminSearch) {
  return {
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(target !== undefined && { target }),
    ...(result !== undefined && { result }),
    ...(days.from !== undefined && { from: getDayStart(days.from, 0) }),
    ...(days.to !== undefined && { to: getDayStart(days.to, 1) }),
  };
}

/** Returns the beginning of a day or of one after it. */
function getDayStart(day: string, offset: number): string {
  const date = new Date(`${day}T00:00`);
  date.setDate(date.getDate() + offset);
  return date.toISOString();
}

/** The entries of the audit log page by page, the newest first. */
export const auditQuery = (search: AdminSearch) =>
  infiniteQueryOptions({
    queryKey: ["audit", search],
    queryFn: ({ pageParam, signal }) =>
      wharf.audit.listAuditEntries(
        { ...toAuditFilter(search), limit: pageSize, ...(pageParam !== undefined && { cursor: pageParam }) },
        { signal },
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor }) => next_cursor,
  });

/** The address of an export with the same filter. */
export function getExportPath(ending: "csv" | "ndjson", search: AdminSearch): string {
  const query = new URLSearchParams(toAuditFilter(search)).toString();
  return `/api/v1/audit.${ending}${query === "" ? "" : `?${query}`}`;
}
