import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { serveApi, token } from "../../../test/api.ts";
import { fixture } from "../../../test/fixture.ts";
import { apiPagePath } from "./serve-api-page.ts";

const hash = (text: string | undefined) =>
  `'sha256-${createHash("sha256")
    .update(text ?? "")
    .digest("base64")}'`;

test("the page of the API runs only its own script, and loads nothing from elsewhere", async () => {
  await using f = await fixture();
  await using served = await serveApi(f);
  const answer = await fetch(`${served.url}${apiPagePath}`);
  expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const page = await answer.text();
  const policy = answer.headers.get("content-security-policy") ?? "";
  const script = /<script type="module">([^]*)<\/script>/.exec(page)?.[1];
  const style = /<style>([^]*)<\/style>/.exec(page)?.[1];
  expect(policy.split("; ")).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      `script-src ${hash(script)}`,
      `style-src ${hash(style)}`,
    ]),
  );
  expect(policy).not.toContain("unsafe");
  expect(page).not.toMatch(/https?:\/\/|<[^>]+ (?:on\w+|style)=/);
  // The document itself needs a token, as everything that the page asks for.
  const getDocument = (headers: Record<string, string>) => fetch(`${served.url}/api/v1/openapi.json`, { headers });
  expect((await getDocument({})).status).toBe(401);
  expect((await getDocument({ authorization: `Bearer ${token}` })).status).toBe(200);
});
