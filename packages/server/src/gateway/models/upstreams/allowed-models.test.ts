import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch } from "../../testing.ts";
import { createUpstream, send } from "../testing.ts";
import { ModelServer, startRoute, succeed } from "./fixtures.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

describe("a run", () => {
  test("may use only the allowed models, and the refusal names them in the API's own format", async () => {
    const server = await ModelServer.start(scratch, succeed);
    const upstreams = [createUpstream(server.url)];
    const { url, seen } = await startRoute(scratch, upstreams, { route: { models: ["gemini-*-flash", "m"] } });
    for (const path of ["models/gemini-2.5-flash:generateContent", "models/m:generateContent", "models/x:countTokens"])
      expect((await send(`${url}/models/main/v1/${path}`)).statusCode).toBe(200);
    expect((await send(`${url}/models/main/v1/models`, { method: "GET", body: "" })).statusCode).toBe(200);
    const refused = await send(`${url}/models/main/v1/models/gemini-2.5-pro:generateContent`);
    expect([refused.statusCode, refused.headers["x-should-retry"]]).toEqual([403, "false"]);
    expect(JSON.parse(await text(refused))).toMatchObject({
      code: "model_denied",
      error: {
        code: 403,
        status: "PERMISSION_DENIED",
        message: "A run may not use the model 'gemini-2.5-pro' on the model route 'main'. Allowed: gemini-*-flash, m.",
      },
    });
    expect(server.count).toBe(4);
    expect(seen.denied).toEqual([{ host: "models/main", reason: "a run may not use the model gemini-2.5-pro" }]);
  });

  test("names its model in the body of the other APIs, and a request without one is refused", async () => {
    const server = await ModelServer.start(scratch, succeed);
    const { url } = await startRoute(scratch, [createUpstream(server.url)], {
      route: { api: "anthropic", models: ["c-*"] },
    });
    const askFor = async (body: object) =>
      (await send(`${url}/models/main/v1/messages`, { body: JSON.stringify(body) })).statusCode;
    expect([await askFor({ model: "c-1" }), await askFor({ model: "d" }), await askFor({})]).toEqual([200, 403, 403]);
  });
});
