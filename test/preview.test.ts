import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, runnerApi, runnerWorkspaceApi } from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { fetchPreview, openPreview, startPreviewProgram } from "./support/previews/preview-client.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Links that open a port of a runner in a browser, each with its own host name. */
const port = 38_417;
let folder: string;
let wharf: ServerHarness;
let runner_id: string;
let url: string;
let origin: string;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder);
  await wharf.start();
  const { client } = wharf;
  const runner = await client.call(
    runnerApi.createRunner,
    { query: { wait: "true" }, body: {} },
    { timeoutMs: 60_000 },
  );
  runner_id = runner.id;
  await startPreviewProgram(client, runner_id, port);
  ({ url } = await createPreview());
  ({ origin } = new URL(url));
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const createPreview = (wanted = port) =>
  wharf.client.call(runnerWorkspaceApi.createPreview, { params: { runner_id }, body: { port: wanted } });

test("the ports of programs are listed with their names", async () => {
  const { ports } = await wharf.client.call(runnerWorkspaceApi.listPorts, { params: { runner_id } });
  expect(ports).toContainEqual({ port, program: "node" });
});

test("a link has a host name that cannot be guessed, and leads to the program", async () => {
  expect(new URL(url).hostname).toMatch(/^p-[0-9a-v]{55}\.localhost$/);
  const answer = await fetchPreview(url, "/");
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toContain("Hello from the runner");
});

test("the program sees its own name, and nothing that proves a person to Wharf", async () => {
  const { token } = await wharf.client.locate();
  const headers = {
    authorization: `Bearer ${token}`,
    cookie: "wharf_session_4000=secret; __Host-wharf_session=secret; own=1",
    origin,
    referer: `${origin}/page`,
    "x-forwarded-for": "10.1.2.3",
  };
  const seen = JSON.parse((await fetchPreview(url, "/headers?a=1", { headers })).body.toString());
  expect(seen).toMatchObject({ method: "GET", url: "/headers?a=1" });
  expect(seen.headers).toEqual({
    host: `localhost:${port}`,
    origin: `http://localhost:${port}`,
    referer: `http://localhost:${port}/page`,
    cookie: "own=1",
    connection: "close",
  });
  const own = { authorization: "Bearer of-the-program" };
  const kept = JSON.parse((await fetchPreview(url, "/headers", { headers: own })).body.toString());
  expect(kept.headers.authorization).toBe("Bearer of-the-program");
});

test("no header of a hostile program reaches beyond its origin, or keeps it out of the frame", async () => {
  const { headers } = await fetchPreview(url, "/hostile");
  expect(headers["set-cookie"]).toEqual(["own=1; Path=/"]);
  expect(headers["content-security-policy"]).toBe(
    `default-src 'self', frame-ancestors http://localhost:${new URL(url).port} http://127.0.0.1:${new URL(url).port}`,
  );
  expect(headers["referrer-policy"]).toBe("same-origin");
  for (const name of ["clear-site-data", "x-frame-options", "strict-transport-security"])
    expect(headers[name], name).toBeUndefined();
});

test("a redirect to the program stays in the preview", async () => {
  const { status, headers } = await fetchPreview(url, "/redirect");
  expect(status).toBe(302);
  expect(headers.location).toBe(`${origin}/next?a=1`);
});

test("large bodies pass both ways unchanged", async () => {
  const large = await fetchPreview(url, "/large");
  expect(large.body.length).toBe(16 << 20);
  const sent = randomBytes(8 << 20);
  const { body } = await fetchPreview(url, "/hash", { method: "POST", body: sent });
  expect(body.toString()).toBe(createHash("sha256").update(sent).digest("hex"));
});

test("a WebSocket connects to the program", async () => {
  const socket = openSocket(url);
  await once(socket, "open");
  for (const text of ["first", "second"]) {
    socket.send(text);
    const [data] = (await once(socket, "message")) as [Buffer];
    expect(data.toString()).toBe(text);
  }
  socket.close();
  socket.terminate();
});

test("a port without a program, and one that does not answer, get a page with the next step", async () => {
  const free = await createPreview(38_418);
  const none = await fetchPreview(free.url, "/");
  expect(none.status).toBe(409);
  expect(none.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(none.body.toString()).toContain("No program listens on port 38418");
  expect((await fetchPreview(url, "/silent")).status).toBe(502);
});

test("a host of previews has nothing of Wharf, and Wharf's own have no preview", async () => {
  expect((await fetchPreview(url, "/api/v1/server")).body.toString()).toBe("nothing here");
  const foreign = await fetchPreview(
    url.replace(/-(.)(.)/, (_, first, second) => `-${first}${second === "0" ? "1" : "0"}`),
    "/api/v1/server",
  );
  expect(foreign.status).toBe(404);
  expect(foreign.body.toString()).toContain("does not exist or has ended");
  for (const host of ["x.localhost", "p-1.localhost", new URL(url).hostname.replace(".localhost", ".example.com")]) {
    const other = new URL(url);
    expect((await fetchPreview(url, "/", { headers: { host: `${host}:${other.port}` } })).status, host).toBe(403);
  }
});

test("a link ends when it is deleted, with what is open through it", async () => {
  const preview = await createPreview();
  const socket = openSocket(preview.url);
  await once(socket, "open");
  const events = await openPreview(preview.url, "/events");
  await once(events, "data");
  const cut = Promise.withResolvers<void>();
  events.on("error", () => cut.resolve()).resume();
  const ended = Promise.all([once(socket, "close"), cut.promise]);
  await wharf.client.call(runnerWorkspaceApi.deletePreview, { params: { runner_id, preview_id: preview.id } });
  await ended;
  expect((await fetchPreview(preview.url, "/")).status).toBe(404);
});

test("a link expires", async () => {
  const preview = await createPreview();
  const db = new pg.Client({ host: join(wharf.data, "postgres", "socket"), user: "wharf", database: "postgres" });
  await db.connect();
  await db.query("update stream_tickets set expires_at = now() - interval '1 s' where secret_hash = $1", [preview.id]);
  const stored = JSON.stringify((await db.query("select * from stream_tickets")).rows);
  await db.end();
  expect(stored).not.toContain(new URL(preview.url).hostname.split(".")[0]);
  expect((await fetchPreview(preview.url, "/")).status).toBe(404);
});

test("only people who may use commands create links, and a link ends with their access", async () => {
  const { client } = wharf;
  await client.call(api.addMember, { body: { username: "ada", role: "admin" } });
  const create = async (permissions: readonly ["workspace:read", ...("workspace:exec" | "workspace:read")[]]) => {
    const body = { name: "test", user: "ada", permissions: [...permissions] };
    const { token, id } = await client.call(api.createAccessToken, { body });
    const { url: server } = await client.locate();
    const answer = await fetch(new URL(`/api/v1/runners/${runner_id}/workspace/previews`, server), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ port }),
    });
    return { id, status: answer.status, preview: (await answer.json()) as { url: string } };
  };
  expect((await create(["workspace:read"])).status).toBe(403);
  const { id, status, preview } = await create(["workspace:read", "workspace:exec"]);
  expect(status).toBe(201);
  expect((await fetchPreview(preview.url, "/")).status).toBe(200);
  const socket = openSocket(preview.url);
  await once(socket, "open");
  const closed = once(socket, "close");
  await client.call(api.revokeAccessToken, { params: { token_id: id } });
  await closed;
  expect((await fetchPreview(preview.url, "/")).status).toBe(404);
});

function openSocket(preview: string): WebSocket {
  const { host, port: serverPort } = new URL(preview);
  return new WebSocket(`ws://127.0.0.1:${serverPort}/echo`, { headers: { host }, origin: `http://${host}` });
}
