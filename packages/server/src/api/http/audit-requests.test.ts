import {
  api,
  type AuditEntry,
  AuditVerificationLine,
  getAuditPolicy,
  getEndpointUrl,
  runnerApi,
  type ServerEndpoint,
  workspaceApi,
} from "@wharf/contract";
import { ChainCheck, parseExportLine } from "@wharf/contract/audit";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClientAddresses, type ServedApi, serveApi, token } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { hashLimitKey } from "../../access/limits/login-limits.ts";
import { AuditReader } from "../../audit/index.ts";
import { schema } from "../../store/index.ts";

let f: Fixture;
let served: ServedApi;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f, {
    mirrors: { checkAddress: () => undefined, listBranches: () => Promise.reject(new Error("not asked")) },
  });
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const authorization = `Bearer ${token}`;
const send = (method: string, path: string, { body, headers = {} }: { body?: unknown; headers?: object } = {}) =>
  fetch(`${served.url}${path}`, {
    method,
    headers: {
      authorization,
      "user-agent": "a-client/1",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const reader = () => new AuditReader(f.db);
const readNewest = async (limit = 1): Promise<AuditEntry[]> => (await reader().list({ limit })).entries;
const createTaskPath = () => getEndpointUrl(api.createTask, { params: { board_id: f.owner.default_board_id } });

// K-078 G-055 S-111
test("an act is in the audit log when its answer arrives: who, what, when, from where, and its result", async () => {
  const created = await send("POST", createTaskPath(), { body: { title: "secret plans", description: "d" } });
  const { id } = (await created.json()) as { id: string };
  expect(await readNewest()).toMatchObject([
    {
      action: "createTask",
      actor: { kind: "user", id: f.owner.user_id },
      organization_id: f.owner.organization_id,
      target: { kind: "task", id },
      result: "ok",
      address: "127.0.0.1",
      user_agent: "a-client/1",
      details: { board: f.owner.default_board_id, fields: expect.stringContaining("title") },
      at: expect.stringMatching(/Z$/),
    },
  ]);
  expect(JSON.stringify(await readNewest())).not.toContain("secret plans");
  const short = id.slice(0, 8);
  await send(api.setTaskState.method, getEndpointUrl(api.setTaskState, { params: { task_id: short } }), {
    body: { state: "CANCELLED" },
  });
  expect(await readNewest()).toMatchObject([
    { action: "setTaskState", target: { kind: "task", id }, result: "ok", details: { state: "CANCELLED" } },
  ]);
});

test("an entry and a login have the client's address behind a trusted proxy, and the proxy's behind another", async () => {
  const login = { email: "nowhere@example.com", password: "wrong" };
  for (const [proxies, address] of [
    [["127.0.0.1"], "203.0.113.7"],
    [["192.0.2.1"], "127.0.0.1"],
  ] as const) {
    await using proxied = await serveApi(f, {}, { clientAddresses: createClientAddresses(proxies) });
    const answer = await fetch(proxied.url + api.login.path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": "198.51.100.1, 203.0.113.7" },
      body: JSON.stringify(login),
    });
    expect(answer.status).toBe(401);
    await expect.poll(() => readNewest()).toMatchObject([{ action: "login", result: "denied", address }]);
    const key = hashLimitKey("network", address);
    expect(await f.db.select().from(schema.login_failures).where(eq(schema.login_failures.key, key))).toHaveLength(1);
  }
});

test("an entry completes ids of its organization only", async () => {
  const { id } = await f.newTask();
  const { organization_id } = f.owner;
  expect(await reader().findFullId("task", id.slice(0, 8), organization_id)).toBe(id);
  expect(await reader().findFullId("task", id.slice(0, 8), crypto.randomUUID())).toBe(id.slice(0, 8));
  for (const kind of ["agent", "runner", "board"])
    expect(await reader().findFullId(kind, id.slice(0, 8), organization_id)).toBe(id.slice(0, 8));
});

test("an act that failed is recorded with its error, and a request that reads is not", async () => {
  const before = (await readNewest())[0]?.sequence ?? 0;
  expect((await send("GET", "/api/v1/boards")).status).toBe(200);
  expect((await send("GET", "/api/v1/tasks/00000000-0000-0000-0000-000000000000")).status).toBe(404);
  expect((await send("DELETE", "/api/v1/tasks/00000000-0000-0000-0000-000000000000")).status).toBe(404);
  const [entry] = await readNewest();
  expect(entry).toMatchObject({
    sequence: before + 1,
    action: "deleteTask",
    result: "failed",
    error: "task_not_found",
  });
});

test("refused requests are recorded, and many of them are few entries", async () => {
  const before = (await readNewest())[0]?.sequence ?? 0;
  for (let n = 0; n < 20; n++)
    expect((await send("DELETE", "/api/v1/boards/x", { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
  expect((await send("GET", "/api/v1/boards", { headers: { origin: "http://evil.example" } })).status).toBe(403);
  await expect
    .poll(async () => (await readNewest(2)).toReversed())
    .toMatchObject([
      {
        sequence: before + 1,
        action: "deleteBoard",
        actor: { kind: "anonymous" },
        result: "denied",
        error: "unauthenticated",
      },
      { sequence: before + 2, action: "listBoards", result: "denied", error: "forbidden_origin" },
    ]);
});

test("an act is refused before it begins when the log has no room, and fails when its entry cannot be written", async () => {
  const refuse = { code: "audit_unavailable" };
  const { WharfError } = await import("@wharf/contract");
  const broken = {
    requireRoom() {
      throw new WharfError("audit_unavailable", {});
    },
    count: () => undefined,
    record: () => Promise.reject(new WharfError("audit_unavailable", {})),
  };
  const count = async () => (await f.tasks.list(f.owner, { limit: 1, offset: 0 })).total;
  const tasks = await count();
  const body = JSON.stringify({ title: "t", description: "d" });
  const headers = { authorization, "content-type": "application/json" };
  {
    await using full = await serveApi(f, { audit: broken as never });
    const answer = await fetch(`${full.url}${createTaskPath()}`, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([503, refuse]);
    expect(await count()).toBe(tasks);
    expect((await fetch(`${full.url}/api/v1/boards`, { headers })).status).toBe(200);
  }
  await using failing = await serveApi(f, { audit: { ...broken, requireRoom: () => undefined } as never });
  const answer = await fetch(`${failing.url}${createTaskPath()}`, { method: "POST", headers, body });
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect([answer.status, await answer.json()]).toMatchObject([503, refuse]);
});

describe("the routes of the log", () => {
  test("list entries by filter and page by page", async () => {
    const query = { action: "createTask", limit: 1 };
    const list = async (more: object) =>
      api.listAuditEntries.response.parse(
        await (await send("GET", getEndpointUrl(api.listAuditEntries, { query: { ...query, ...more } }))).json(),
      );
    await send("POST", createTaskPath(), { body: { title: "t", description: "d" } });
    const first = await list({});
    expect(first.entries).toMatchObject([{ action: "createTask" }]);
    const second = await list({ cursor: first.next_cursor });
    expect(second.entries[0]!.sequence).toBeLessThan(first.entries[0]!.sequence);
    expect((await list({ actor: "an-unknown-name" })).entries).toEqual([]);
    expect((await send("GET", "/api/v1/audit?result=perhaps")).status).toBe(400);
    expect((await send("GET", "/api/v1/audit?cursor=x")).status).toBe(400);
  });

  test("export lines whose hashes anybody can compute again, and CSV", async () => {
    const answer = await send("GET", "/api/v1/audit.ndjson");
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await answer.text()).trimEnd().split("\n");
    const check = new ChainCheck();
    for (const line of lines) expect(check.add(parseExportLine(line)!)).toBe(true);
    expect(check.checked).toBe(lines.length);
    const csv = await (await send("GET", "/api/v1/audit.csv?action=deleteTask")).text();
    expect(csv.split("\r\n")[0]).toMatch(/^sequence,at,actor_kind/);
    expect(csv.split("\r\n")[1]).toContain("deleteTask");
    // An export is an act too.
    await expect
      .poll(() => readNewest())
      .toMatchObject([{ action: "exportAuditCsv", details: { action: "deleteTask" } }]);
  });

  test("verify the chain, also with an anchor, and prune it", async () => {
    const verify = async (query: object = {}) => {
      const answer = await send("GET", getEndpointUrl(api.verifyAudit, { query: { ...query } }));
      const lines = (await answer.text()).trimEnd().split("\n");
      return AuditVerificationLine.parse(JSON.parse(lines.at(-1)!));
    };
    const outcome = await verify();
    expect(outcome).toMatchObject({ type: "outcome", intact: true });
    if (outcome.type !== "outcome") return;
    const { sequence, hash } = outcome.end;
    expect(await verify({ anchor_sequence: sequence, anchor_hash: hash })).toMatchObject({ anchor: "matches" });
    expect(await verify({ anchor_sequence: sequence, anchor_hash: "0".repeat(64) })).toMatchObject({
      intact: false,
      fault: { kind: "anchor", sequence },
    });
    expect((await send("GET", `/api/v1/audit/verification?anchor_sequence=1`)).status).toBe(400);
    const before = new Date().toISOString();
    const pruned = await send("DELETE", getEndpointUrl(api.pruneAudit, { query: { before } }));
    expect(await pruned.json()).toMatchObject({ removed: expect.any(Number), start: { hash: expect.any(String) } });
    expect(await verify()).toMatchObject({ intact: true });
    expect((await readNewest(10)).map(({ action }) => action)).toContain("pruneAudit");
  });
});

test("every route that can change something is audited", () => {
  const unaudited = Object.entries<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi })
    .filter(([, endpoint]) => endpoint.method !== "GET" && getAuditPolicy(endpoint) === "denied")
    .map(([name]) => name);
  const views = [
    "AckTerminal",
    "FileStats",
    "ListFolder",
    "ListTree",
    "ResizeTerminal",
    "SearchContents",
    "SearchNames",
  ];
  expect(unaudited.toSorted()).toEqual([
    // Its entry is written together with the removal.
    "pruneAudit",
    ...views.map((name) => `runner${name}`),
    ...views.map((name) => `task${name}`),
  ]);
});
