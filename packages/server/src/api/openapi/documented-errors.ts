import { api, type ErrorCode, listErrors, runnerApi, type ServerEndpoint, workspaceApi } from "@wharf/contract";
import type { FastifyRequest } from "fastify";

const documentedCodes: ReadonlyMap<string, ReadonlySet<ErrorCode>> = new Map(
  Object.values<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi }).map((route) => [
    `${route.method} ${route.path}`,
    new Set(listErrors(route)),
  ]),
);

/** Whether the OpenAPI document lists an error for the operation of a request, if it has one. */
export function isDocumented({ method, routeOptions }: FastifyRequest, code: ErrorCode): boolean {
  return documentedCodes.get(`${method} ${routeOptions.url ?? ""}`)?.has(code) !== false;
}
