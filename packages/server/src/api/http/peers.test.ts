import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { getEndpointUrl, runnerApi, terminalStreamPath, WharfError } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createClientAddresses, type ServedApi, serveApi } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { createPerson, type TestPerson } from "../../../test/logins.ts";
import type { RunnerModules } from "../routes/runner-routes.ts";
import { Peers } from "./peers.ts";

const password = "correct horse battery";
const runnerId = "7d0f2c1e-0000-4000-8000-000000000001";

let f: Fixture;
let holder: ServedApi;
/** The server that people use. The other one holds the runner. */
let front: ServedApi;
let person: TestPerson;

const createPeers = (address?: string) =>
  new Peers({ clientAddresses: createClientAddresses(), findHolder: async () => address });

/** A runner that is stopped, so that only the server that holds it answers with that error. */
const standaloneRunners = {
  get: async () => ({ id: runnerId, owner_id: person.id, state: "STOPPED", desired: "READY" }),
  waitUntilReady: () => Promise.reject(new WharfError("runner_not_running", { runner_id: runnerId, state: "STOPPED" })),
} as unknown as RunnerModules["standaloneRunners"];

beforeAll(async () => {
  f = await fixture();
  person = await createPerson(f, { password });
  holder = await serveApi(f, { standaloneRunners, peers: createPeers() });
  front = await serveApi(f, { standaloneRunners, peers: createPeers(holder.url) });
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await holder[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

async function logIn(): Promise<string> {
  const response = await fetch(`${front.url}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: front.url },
    body: new URLSearchParams({ email: person.email, password }),
  });
  return response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
}

const post = (headers: Record<string, string>) =>
  fetch(front.url + getEndpointUrl(runnerApi.execRunnerOnce, { params: { runner_id: runnerId } }), {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ command: "true" }),
  });

/** Opens a terminal, and returns the problem with which that is refused. */
async function openTerminal(headers: Record<string, string>): Promise<unknown> {
  const path = terminalStreamPath.replace(":runner_id", runnerId).replace(":terminal_id", "new");
  const ws = new WebSocket(front.url.replace("http", "ws") + path, { headers });
  ws.on("error", () => undefined);
  const [, response] = (await once(ws, "unexpected-response")) as [unknown, IncomingMessage];
  return json(response);
}

test("a browser's requests and WebSockets reach the server that holds the runner", async () => {
  const headers = { cookie: `theme=dark; ${await logIn()}`, origin: front.url };
  expect(await (await post(headers)).json()).toMatchObject({ code: "runner_not_running" });
  expect(await openTerminal(headers)).toMatchObject({ code: "runner_not_running" });
});

test("a page of the server that holds the runner is foreign to the server that forwards", async () => {
  const cookie = await logIn();
  for (const origin of [holder.url, "https://evil.example"]) {
    expect(await (await post({ cookie, origin })).json()).toMatchObject({ code: "forbidden_origin" });
    expect(await openTerminal({ cookie, origin })).toMatchObject({ code: "forbidden_origin" });
  }
  expect(await (await post({ cookie })).json()).toMatchObject({ code: "cross_site_request" });
  expect(await openTerminal({ cookie })).toMatchObject({ code: "cross_site_request" });
});
