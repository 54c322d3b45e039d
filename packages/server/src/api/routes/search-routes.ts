import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { Search } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface SearchModules {
  readonly search: Search;
}

/** Serves the search over tasks and their logs. */
export function serveSearch(app: FastifyInstance, { search }: SearchModules): void {
  registerRoute(app, api.search, ({ scope, query }) => search.find(scope, query));
}
