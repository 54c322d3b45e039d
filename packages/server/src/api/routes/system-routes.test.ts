import { api, Problem } from "@wharf/contract";
import { expect, onTestFinished, test } from "vitest";
import { Client } from "../../../../cli/src/server/client.ts";
import { serveApi, token } from "../../../test/api.ts";
import { fixture } from "../../../test/fixture.ts";
import { readConfig } from "../../config/index.ts";
import { presentModelRoutes } from "../../gateway/index.ts";
import type { SystemModules } from "./system-routes.ts";

const next = "Check the engine.";
const engine = { name: "engine", status: "failed", problem: "The engine does not respond.", next } as const;

async function serve(health: SystemModules["health"]) {
  const f = await fixture();
  const redact = (text: string) => text.replaceAll("hunter2", "***");
  const served = await serveApi(f, { health, redact });
  onTestFinished(async () => {
    await served[Symbol.asyncDispose]();
    await f[Symbol.asyncDispose]();
  });
  const get = async (path: string, bearer?: string) => {
    const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
    const answer = await fetch(`${served.url}${path}`, { headers });
    return { status: answer.status, body: JSON.parse(await answer.text()) as unknown };
  };
  const client = new Client(async () => ({ url: served.url, token }));
  return { client, get };
}

test("a server that cannot work is alive and not ready, and says what is wrong without its details", async () => {
  const report = { status: "degraded", problems: [engine.problem] } as const;
  const parts = [{ name: "database", status: "ok" } as const, { ...engine, reason: "hunter2 at 10.0.0.7 refused" }];
  const { get } = await serve({ report, parts, isReady: false });
  expect(await get("/health")).toEqual({
    status: 200,
    body: { status: "degraded", version: "0", problems: [engine.problem] },
  });
  const { status, body } = await get("/ready");
  expect(status).toBe(503);
  expect(Problem.parse(body)).toMatchObject({
    code: "not_ready",
    detail: "The server is not ready. The engine does not respond.",
    next,
    context: { problems: [{ part: "engine", problem: engine.problem, next }] },
  });
  expect(JSON.stringify(body)).not.toContain("10.0.0.7");
  const details = await get("/api/v1/server/health", token);
  expect(details).toMatchObject({
    status: 200,
    body: { status: "degraded", parts: [{ name: "database" }, { name: "engine", reason: "*** at 10.0.0.7 refused" }] },
  });
});

test("only operators see the errors themselves", async () => {
  const { client, get } = await serve({ report: { status: "ok", problems: [] }, parts: [], isReady: true });
  expect(await get("/ready")).toEqual({ status: 200, body: { status: "ready", version: "0" } });
  expect((await get("/api/v1/server/health")).status).toBe(401);
  await client.call(api.addMember, { body: { username: "ada", role: "admin" } });
  const access = await client.call(api.createAccessToken, { body: { name: "test", user: "ada" } });
  expect((await get("/api/v1/server/health", access.token)).status).toBe(403);
});

test("a server that has just started is not ready", async () => {
  const parts = [{ name: "database", status: "unknown" } as const];
  const { get } = await serve({ report: { status: "ok", problems: [] }, parts, isReady: false });
  const { status, body } = await get("/ready");
  expect([status, Problem.parse(body).next]).toEqual([503, "Ask again in a few seconds."]);
});

test("operators see the settings, routes and prices, and no secret", async () => {
  const f = await fixture();
  const { modelRoutes, prices, settings } = readConfig({
    GEMINI_API_KEY: "hunter2",
    WHARF_PUBLIC_URL: "https://hunter2.example",
  });
  const served = await serveApi(f, {
    setup: { settings, modelRoutes: presentModelRoutes(modelRoutes), prices },
    redact: (text) => text.replaceAll("hunter2", "***"),
  });
  onTestFinished(async () => {
    await served[Symbol.asyncDispose]();
    await f[Symbol.asyncDispose]();
  });
  const client = new Client(async () => ({ url: served.url, token }));
  const answer = await client.call(api.listServerSettings, {});
  expect(answer.settings).toContainEqual({ name: "GEMINI_API_KEY", source: "environment", is_secret: true });
  expect(answer.settings).toContainEqual({
    name: "WHARF_PUBLIC_URL",
    source: "environment",
    is_secret: false,
    value: "https://***.example",
  });
  const models = await client.call(api.listModelRoutes, {});
  const origin = "https://generativelanguage.googleapis.com";
  const upstreams = [{ origin, key: "GEMINI_API_KEY", weight: 1, organizations: [] }];
  expect(models.routes).toEqual([{ name: "gemini", api: "gemini", upstreams }]);
  expect(models.prices.find((price) => price.models.includes("gemini-2.5-pro"))).toMatchObject({
    source: "published",
    input: 1.25,
  });
  expect(JSON.stringify([answer, models])).not.toContain("hunter2");
});
