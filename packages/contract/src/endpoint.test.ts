import { expect, test } from "vitest";
import { getIdempotency, type ServerEndpoint } from "./endpoint.ts";
import { api, runnerApi, workspaceApi } from "./server/index.ts";

const endpoints = Object.entries<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi });

test("every route that replaces, changes or deletes something says how it treats If-Match", () => {
  const changing = endpoints.filter(([, { method }]) => ["PUT", "PATCH", "DELETE"].includes(method));
  expect(changing.filter(([, { ifMatch }]) => ifMatch === undefined).map(([name]) => name)).toEqual([]);
});

test("a route with a single resource that has a version compares it", () => {
  const pathsWithVersion = endpoints
    .filter(([, { method, response }]) => method === "GET" && typeof response === "object" && "shape" in response)
    .filter(([, { response }]) => Object.hasOwn((response as unknown as { shape: object }).shape, "version"))
    .map(([, { path }]) => path)
    .filter((path) => path.includes(":"));
  expect(pathsWithVersion.length).toBeGreaterThan(2);
  const unguarded = endpoints.filter(
    ([, { method, path, ifMatch }]) =>
      ["PUT", "PATCH", "DELETE"].includes(method) && pathsWithVersion.includes(path) && ifMatch !== "version",
  );
  expect(unguarded.map(([name]) => name)).toEqual([]);
});

test("every POST of a user with an answer of JSON accepts an Idempotency-Key", () => {
  const posts = endpoints.filter(([, { method }]) => method === "POST");
  const unsupported = posts.filter(([, endpoint]) => getIdempotency(endpoint) === "unsupported");
  expect(unsupported.length).toBeLessThan(posts.length / 2);
  for (const [name, { needs, response, bodyType }] of unsupported)
    expect(needs === "nothing" || response === "stream" || bodyType !== undefined, name).toBe(true);
});
