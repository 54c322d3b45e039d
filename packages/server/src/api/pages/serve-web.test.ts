import { afterAll, beforeAll, expect, test } from "vitest";
import { type ServedApi, serveApi } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { createPerson, type TestPerson } from "../../../test/logins.ts";
import { Links } from "../../access/index.ts";

const password = "correct horse battery";

let f: Fixture;
let served: ServedApi;
let person: TestPerson;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  person = await createPerson(f, { password });
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(served.url + path, { redirect: "manual", headers });
const getCookie = (response: Response, name: string) =>
  response.headers
    .getSetCookie()
    .find((cookie) => cookie.startsWith(name))
    ?.split(";")[0] ?? "";
const logIn = (cookie = "") =>
  fetch(`${served.url}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: served.url, cookie },
    body: new URLSearchParams({ email: person.email, password }),
  });
const getSession = async () => getCookie(await logIn(), "wharf_session");

test("every page is the same document, which its policy protects and a tag identifies", async () => {
  const cookie = await getSession();
  const [response, deep] = await Promise.all([get("/", { cookie }), get("/tasks/one?pane=changes", { cookie })]);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy.split("; ")).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]),
  );
  expect(policy).not.toContain("unsafe");
  const document = await response.text();
  expect(document).toContain('<div id="root">');
  expect(document).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/);
  expect(await deep.text()).toBe(document);
  const tag = response.headers.get("etag") ?? "";
  expect((await get("/", { cookie, "if-none-match": tag })).status).toBe(304);
});

test("files are compressed as the browser accepts it, and kept forever", async () => {
  const document = await (await get("/", { cookie: await getSession() })).text();
  const path = /src="([^"]+)"/.exec(document)?.[1] ?? "";
  const plain = await get(path, { "accept-encoding": "identity" });
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(plain.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  const text = await plain.text();
  for (const [accepted, encoding] of [
    ["gzip, deflate, br", "br"],
    ["gzip", "gzip"],
    ["br;q=0, gzip;q=0.5", "gzip"],
    ["br;q=0", null],
  ] as const) {
    const response = await get(path, { "accept-encoding": accepted });
    expect(response.headers.get("content-encoding"), accepted).toBe(encoding);
    expect(response.headers.get("vary")).toBe("accept-encoding");
    expect(await response.text()).toBe(text);
  }
});

test("addresses without a page are problems", async () => {
  for (const path of ["/api/v1/nothing", "/assets/nothing.js", "/assets/../index.html", "/index.html.br", "/nothing"]) {
    const response = await get(path, { cookie: await getSession() });
    expect([response.status, response.headers.get("content-type")], path).toEqual([404, "application/problem+json"]);
  }
});

test("without a login a page leads to the login, and from there to where the person wanted to go", async () => {
  const wanted = "/tasks/5f0c7a2e?pane=changes&file=a%20b";
  const response = await get(wanted);
  expect([response.status, response.headers.get("location")]).toEqual([303, "/login"]);
  expect(response.headers.getSetCookie()[0]).toMatch(/^wharf_return_\d+=[^;]+; Path=\/; HttpOnly; SameSite=Lax/);
  const done = await logIn(getCookie(response, "wharf_return"));
  expect(done.headers.get("location")).toBe(wanted);
  expect(done.headers.getSetCookie().find((one) => one.startsWith("wharf_return"))).toContain("Max-Age=0");
});

test("a login link leads to the page that it names, if that is one of ours", async () => {
  const open = async (page: string) => {
    const { secret } = await new Links(f.db).create({ kind: "login", user_id: person.id }, { createdBy: undefined });
    const path = `/login/${secret}`;
    const cookie = getCookie(await get(`${path}?page=${encodeURIComponent(page)}`), "wharf_return");
    const headers = { origin: served.url, cookie };
    return (await fetch(served.url + path, { method: "POST", redirect: "manual", headers })).headers.get("location");
  };
  expect(await open("/tasks/5f0c7a2e?pane=changes")).toBe("/tasks/5f0c7a2e?pane=changes");
  expect(await open("//evil.example/")).toBe("/");
  expect(await open("/logout")).toBe("/");
});

test.each([
  "https://evil.example/",
  "//evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "/tasks/..//evil.example",
  "/boards/../logout",
  "/login",
  "/api/v1/whoami",
  "javascript:alert(1)",
  "%",
])("no other address is reached after a login, such as %s", async (path) => {
  const name = getCookie(await get("/"), "wharf_return").split("=")[0] ?? "";
  for (const value of [path, encodeURIComponent(path)])
    expect((await logIn(`${name}=${value}`)).headers.get("location")).toBe("/");
});
