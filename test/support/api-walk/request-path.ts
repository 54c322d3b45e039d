import type { KnownIds } from "./known-ids.ts";
import type { PlannedRequest } from "./requests.ts";

/** Formats the path and the query of a planned request. */
export function formatRequestPath({ operation, params, query }: PlannedRequest, ids: KnownIds): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const param = params[name] ?? "";
    const value = typeof param === "string" ? param : ids.choose(operation, name, param.known);
    return encodeURIComponent(value.toWellFormed());
  });
  const pairs = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`);
  return pairs.length > 0 ? `${path}?${pairs.join("&")}` : path;
}
