import { createHmac } from "node:crypto";
import { api, getEndpointUrl, Problem, type ServerEndpoint } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../../cli/src/server/client.ts";
import { type ServedApi, serveApi } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { createPerson } from "../../test/logins.ts";

const password = "correct horse battery";
const id = "00000000-0000-4000-8000-000000000000";

let f: Fixture;
let served: ServedApi;
let token: string;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  const { email } = await createPerson(f, { password });
  const client = new Client(async () => ({ url: served.url }));
  ({ access_token: token } = await client.call(api.login, { body: { email, password } }));
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const routes = Object.entries<ServerEndpoint>(api).filter(([, { path }]) => path.startsWith("/api/v1/orchestrator"));

async function ask(route: ServerEndpoint, bearer: string | undefined): Promise<string> {
  const answer = await fetch(served.url + getEndpointUrl(route, { params: { task_id: id, agent_id: id } }), {
    method: route.method,
    headers: {
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(route.body && { "content-type": "application/json" }),
    },
    ...(route.body && { body: "{}" }),
  });
  if (answer.ok) return "accepted";
  return Problem.parse(await answer.json()).code;
}

/** Replaces the claims or the signature of the person's own token. */
function createForgeries(): Record<string, string> {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const decoded: object = JSON.parse(Buffer.from(claims, "base64url").toString());
  const unsigned = encode({ alg: "none", typ: "at+jwt" });
  const later = encode({ ...decoded, exp: 9_999_999_999 });
  const guessed = createHmac("sha256", "secret").update(`${head}.${claims}`).digest("base64url");
  return {
    "without a signature": `${unsigned}.${claims}.`,
    "with another end": `${head}.${later}.${signature}`,
    "with another key": `${head}.${claims}.${guessed}`,
  };
}

// K-063 K-091
test("each route of the orchestrator requires a JWT of a login", async () => {
  expect(routes.length).toBeGreaterThan(5);
  for (const [name, route] of routes) {
    expect([name, await ask(route, undefined)]).toEqual([name, "unauthenticated"]);
    for (const [kind, forged] of Object.entries(createForgeries()))
      expect([name, kind, await ask(route, forged)]).toEqual([name, kind, "unauthenticated"]);
    expect([name, await ask(route, token)]).not.toEqual([name, "unauthenticated"]);
  }
});
