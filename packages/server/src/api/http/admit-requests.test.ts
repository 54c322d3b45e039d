import { gzipSync } from "node:zlib";
import { api, getEndpointUrl, Problem, runnerApi, type ServerEndpoint, workspaceApi } from "@wharf/contract";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClientAddresses, type ServeOptions, serveApi, token } from "../../../test/api.ts";
import { fixture } from "../../../test/fixture.ts";
import { createPerson } from "../../../test/logins.ts";
import { parseJson } from "../../std/json.ts";

const authorization = `Bearer ${token}`;

async function serve(options: ServeOptions = {}) {
  const f = await fixture();
  const served = await serveApi(f, {}, options);
  onTestFinished(async () => {
    await served[Symbol.asyncDispose]();
    await f[Symbol.asyncDispose]();
  });
  const send = async (path: string, init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {}) => {
    const answer = await fetch(`${served.url}${path}`, { ...init, headers: { authorization, ...init.headers } });
    const { status, headers } = answer;
    const body = await answer.text();
    return { status, headers, body, code: Problem.safeParse(parseJson(body)).data?.code };
  };
  return { f, served, send };
}

const withoutToken = { headers: { authorization: "" } };

describe("the limits of requests", () => {
  //
  // K-093
  test("are a number of requests a minute for each address without a token, and another for each user", async () => {
    const { send } = await serve({ requestLimits: { perUser: 10, perAddress: 4 } });
    for (let i = 0; i < 2; i++) expect(await send("/api/v1/tasks", withoutToken)).toMatchObject({ status: 401 });
    // A token that is not valid counts for the address, and so does an address without a route.
    const wrong = { headers: { authorization: "Bearer wrong" } };
    expect(await send("/api/v1/tasks", wrong)).toMatchObject({ status: 401 });
    const last = await send("/api/v1/nothing", withoutToken);
    expect(last.status).toBe(401);
    expect(last.headers.get("ratelimit-policy")).toBe('"address";q=4;w=60');
    expect(last.headers.get("ratelimit")).toMatch(/^"address";r=0;t=\d+$/);
    for (const init of [withoutToken, wrong]) {
      const refused = await send("/api/v1/tasks", init);
      expect(refused).toMatchObject({ status: 429, code: "too_many_requests" });
      const seconds = Number(refused.headers.get("retry-after"));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(refused.headers.get("content-type")).toContain("application/problem+json");
    }
    const first = await send("/api/v1/tasks");
    expect(first.status).toBe(200);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      "ratelimit-policy": '"user";q=10;w=60',
      "x-ratelimit-limit": "10",
      "x-ratelimit-remaining": "9",
    });
    for (let i = 0; i < 9; i++) expect(await send("/api/v1/tasks")).toMatchObject({ status: 200 });
    expect(await send("/api/v1/tasks")).toMatchObject({ status: 429, code: "too_many_requests" });
  });

  test("do not count health, pages and what another server forwarded", async () => {
    const clientAddresses = createClientAddresses();
    const { served, send } = await serve({ clientAddresses, requestLimits: { perUser: 1, perAddress: 1 } });
    for (const path of ["/health", "/login", "/api/docs"])
      for (let i = 0; i < 3; i++) {
        const answer = await fetch(`${served.url}${path}`);
        expect([path, answer.status, answer.headers.get("ratelimit")]).toEqual([path, 200, null]);
        await answer.body?.cancel();
      }
    const socket = { remoteAddress: "192.0.2.1" } as never;
    const headers = clientAddresses.createForwardedHeader({ method: "GET", url: "/api/v1/tasks", headers: {}, socket });
    for (let i = 0; i < 3; i++) expect(await send("/api/v1/tasks", { headers })).toMatchObject({ status: 200 });
    expect(await send("/api/v1/tasks")).toMatchObject({ status: 200 });
    expect(await send("/api/v1/tasks")).toMatchObject({ status: 429 });
  });

  test("count the addresses that a trusted proxy names", async () => {
    const { send } = await serve({
      requestLimits: { perUser: 1, perAddress: 1 },
      clientAddresses: createClientAddresses(["127.0.0.1"]),
    });
    const sendFrom = (address: string) =>
      send("/api/v1/tasks", { headers: { authorization: "", "x-forwarded-for": address } });
    expect(await sendFrom("192.0.2.1")).toMatchObject({ status: 401 });
    expect(await sendFrom("192.0.2.1")).toMatchObject({ status: 429 });
    expect(await sendFrom("192.0.2.2")).toMatchObject({ status: 401 });
  });
});

describe("a method", () => {
  test("that a path lacks is refused with those that it has", async () => {
    const { send } = await serve();
    const refused = await send("/api/v1/tasks", { method: "DELETE" });
    expect(refused).toMatchObject({ status: 405, code: "method_not_allowed" });
    expect(refused.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    const id = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
    const other = await send(`/api/v1/tasks/${id}?x=1`, { method: "POST", body: "{}" });
    expect([other.status, other.headers.get("allow")]).toEqual([405, "DELETE, GET, HEAD, OPTIONS, PUT"]);
    expect(await send(`/api/v1/tasks/${id}/nothing`, { method: "POST" })).toMatchObject({ status: 404 });
  });

  test("OPTIONS answers the methods of each path, without a token", async () => {
    const { send } = await serve();
    const routes = Object.values<ServerEndpoint>({ ...api, ...runnerApi, ...workspaceApi });
    for (const { path, method } of routes) {
      const answer = await send(path.replaceAll(/:\w+/g, "x"), { method: "OPTIONS", ...withoutToken });
      expect([path, answer.status, answer.body]).toEqual([path, 204, ""]);
      expect([path, answer.headers.get("allow")]).toEqual([path, expect.stringMatching(`\\b${method}\\b`)]);
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    }
    expect(await send("/api/v1/nothing", { method: "OPTIONS" })).toMatchObject({ status: 404 });
  });

  test("HEAD answers the head of GET, also where GET follows something without an end", async () => {
    const { f, send } = await serve();
    const task = await f.newTask();
    for (const path of ["/health", "/api/v1/tasks", `/api/v1/tasks/${task.id}`, "/api/v1/openapi.json"]) {
      const [read, head] = [await send(path), await send(path, { method: "HEAD" })];
      expect([path, head.status, head.body]).toEqual([path, 200, ""]);
      for (const name of ["etag", "content-type"]) expect(head.headers.get(name)).toBe(read.headers.get(name));
    }
    const stream = getEndpointUrl(api.followTask, { params: { task_id: task.id } });
    const followed = await send(stream, { method: "HEAD" });
    expect([followed.status, followed.headers.get("content-type"), followed.body]).toEqual([
      200,
      "text/event-stream",
      "",
    ]);
    expect(await send(stream, { method: "HEAD", ...withoutToken })).toMatchObject({ status: 401 });
    expect(await send(`${stream}?after=x`, { method: "HEAD" })).toMatchObject({ status: 400 });
  });
});

describe("a type", () => {
  test("that no answer of the route has is refused", async () => {
    const { send } = await serve();
    const get = (accept: string) => send("/api/v1/tasks", { headers: { accept } });
    for (const accept of ["text/html", "text/*, image/png", "application/json;q=0", "application/xml, */*;q=0.0"])
      expect([accept, (await get(accept)).code]).toEqual([accept, "not_acceptable"]);
    for (const accept of ["*/*", "application/*;q=0.1", "text/html, Application/JSON; charset=utf-8", "text/html, */*"])
      expect([accept, (await get(accept)).status]).toEqual([accept, 200]);
  });

  test("of a body that is not JSON, or encoded, is refused with 415", async () => {
    const { f, send } = await serve();
    const path = getEndpointUrl(api.createTask, { params: { board_id: f.owner.default_board_id } });
    const body = JSON.stringify({ title: "t", description: "d" });
    for (const type of ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"]) {
      const refused = await send(path, { method: "POST", headers: { "content-type": type }, body });
      expect([type, refused.status, refused.code]).toEqual([type, 415, "unsupported_media_type"]);
    }
    const bytes = new Blob([body]);
    expect(await send(path, { method: "POST", body: bytes })).toMatchObject({ code: "unsupported_media_type" });
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect(await send(path, { method: "POST", headers, body: gzipSync(body) })).toMatchObject({
      status: 415,
      code: "unsupported_encoding",
    });
    const json = { "content-type": "application/json; charset=utf-8", "content-encoding": "identity" };
    expect(await send(path, { method: "POST", headers: json, body })).toMatchObject({ status: 201 });
  });
});

describe("a page of another site", () => {
  const origin = "https://tools.example.com";
  const preflight = {
    method: "OPTIONS",
    headers: { authorization: "", origin, "access-control-request-method": "PUT" },
  };

  test("may use the API only if a setting names the site, and no page of this server", async () => {
    const closed = await serve();
    expect(await closed.send("/api/v1/tasks", preflight)).toMatchObject({ status: 403, code: "forbidden_origin" });
    const { send } = await serve({ corsOrigins: [origin] });
    const allowed = await send("/api/v1/tasks", preflight);
    expect(allowed.status).toBe(204);
    expect(Object.fromEntries(allowed.headers)).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET, HEAD, OPTIONS",
      "access-control-allow-headers": expect.stringContaining("authorization"),
      vary: "Origin",
    });
    const read = await send("/api/v1/tasks", { headers: { origin } });
    expect([read.status, read.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
    expect(read.headers.get("access-control-expose-headers")).toContain("etag");
    // The page can also read why it is refused.
    const refused = await send("/api/v1/tasks", { headers: { origin, authorization: "" } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
    expect(await send("/login", { method: "POST", headers: { origin } })).toMatchObject({ status: 403 });
    const other = "http://tools.example.com";
    expect(await send("/api/v1/tasks", { headers: { origin: other } })).toMatchObject({ status: 403 });
  });

  test("acts for a person who is logged in only if a setting names the site", async () => {
    const { f, served, send } = await serve({ corsOrigins: [origin, "*"] });
    const person = await createPerson(f, { password: "correct horse battery" });
    const login = await fetch(`${served.url}/login`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: served.url },
      body: new URLSearchParams({ email: person.email, password: "correct horse battery" }),
    });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    const from = (page: string) => send("/api/v1/whoami", { headers: { authorization: "", cookie, origin: page } });
    expect(await from(origin)).toMatchObject({ status: 200 });
    const foreign = await from("https://evil.example");
    expect(foreign).toMatchObject({ status: 403, code: "cross_site_request" });
    const withToken = await send("/api/v1/tasks", { headers: { origin: "https://evil.example" } });
    expect([withToken.status, withToken.headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
    expect(withToken.headers.get("access-control-allow-credentials")).toBeNull();
  });
});
