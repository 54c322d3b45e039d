import { expect, test } from "vitest";
import { z } from "zod";
import type { ServerEndpoint } from "./endpoint.ts";
import { api, runnerApi } from "./server/index.ts";

const endpoints = Object.entries<ServerEndpoint>({ ...api, ...runnerApi });

const isPaged = ({ response }: ServerEndpoint): boolean =>
  response instanceof z.ZodObject && Object.hasOwn(response.shape, "next_cursor");

test("every list in pages has a cursor, a limit and a selection of fields, and names its rows", () => {
  const lists = endpoints.filter(([, endpoint]) => isPaged(endpoint) && endpoint.path.startsWith("/api/v1/"));
  expect(lists.length).toBeGreaterThan(6);
  for (const [name, { query, items, response }] of lists) {
    // A folder is not a list of rows of the database.
    if (name === "listRunnerFiles") continue;
    expect(Object.keys(query?.shape ?? {}), name).toEqual(expect.arrayContaining(["limit", "cursor", "fields"]));
    const rows = response instanceof z.ZodObject ? response.shape[items ?? ""] : undefined;
    expect(rows, name).toBeInstanceOf(z.ZodArray);
    expect(query?.safeParse({ limit: "0" }).success, name).toBe(false);
    expect(query?.safeParse({ limit: "1001" }).success, name).toBe(false);
    expect(query?.safeParse({ fields: "nothing" }).success, name).toBe(false);
  }
});

/** Lists that do not come in pages with a cursor, and why. */
const withoutPages: Readonly<Record<string, string>> = {
  listTaskEvents: "a log, which is read by `after`",
  listRunnerFiles: "a folder, which is read by `after`",
  listDependencies: "at most 50 for each task",
  listRunnerTerminals: "the daemon keeps a limited number",
  listRepositoryBranches: "a remote's answer, which `text` and `limit` narrow",
  listOwnLinks: "the unused links of one person, which expire",
  listModelRoutes: "what a file of the server says",
  listServerSettings: "the settings that the server knows",
  getHostUsage: "a report, whose largest rows count",
};

test("every list comes in pages", () => {
  const lists = endpoints.filter(([, { method, summary }]) => method === "GET" && summary.startsWith("List "));
  expect(lists.length).toBeGreaterThan(25);
  const unpaged = lists.flatMap(([name, endpoint]) => (isPaged(endpoint) ? [] : [name]));
  expect(unpaged.toSorted()).toEqual(Object.keys(withoutPages).toSorted());
});

test("every list with named rows selects fields of them", () => {
  const lists = endpoints.filter(([, endpoint]) => endpoint.items !== undefined);
  expect(lists.length).toBeGreaterThan(25);
  for (const [name, { query, items, response }] of lists) {
    expect(response instanceof z.ZodObject ? response.shape[items ?? ""] : undefined, name).toBeInstanceOf(z.ZodArray);
    expect(query?.safeParse({ fields: "nothing" }).success, name).toBe(false);
  }
});
