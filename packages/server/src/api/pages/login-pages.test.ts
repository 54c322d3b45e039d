import { once } from "node:events";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type ServedApi, serveApi, token } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { createPerson, createTestLogins, type TestPerson } from "../../../test/logins.ts";
import { schema } from "../../store/index.ts";

const password = "correct horse battery";

let f: Fixture;
let served: ServedApi;
let person: TestPerson;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  person = await createPerson(f, { password });
});
beforeEach(async () => {
  await f.db.delete(schema.login_failures);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

interface BrowserRequest {
  readonly method?: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly cookie?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends what a browser sends from Wharf's own page, unless the headers say otherwise. */
function browse(path: string, { method = "GET", form, cookie, headers = {} }: BrowserRequest = {}): Promise<Response> {
  return fetch(served.url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(method !== "GET" && { origin: served.url }),
      ...(cookie !== undefined && { cookie }),
      ...headers,
    },
    ...(form && { body: new URLSearchParams(form) }),
  });
}

const getCookie = (response: Response) => response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
const logIn = (more: BrowserRequest = {}) =>
  browse("/login", { method: "POST", form: { email: person.email, password }, ...more });
const whoami = (cookie: string, more: BrowserRequest = {}) => browse("/api/v1/whoami", { cookie, ...more });
const hasSession = async (cookie: string) => (await whoami(cookie)).status === 200;
const createLink = async (kind: "login" | "password") => {
  const { links } = createTestLogins(f).modules;
  const { secret } = await links.create({ kind, user_id: person.id }, { createdBy: undefined });
  return `/${kind}/${secret}`;
};

test("a password logs a browser in, and the page says who is logged in", async () => {
  const response = await logIn();
  expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
  const [cookie = ""] = response.headers.getSetCookie();
  expect(cookie).toMatch(/^wharf_session_\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000$/);
  const page = await browse("/account", { cookie: getCookie(response) });
  expect(await page.text()).toContain(`You are logged in as <b>${person.username}</b>`);
  expect(await (await whoami(getCookie(response))).json()).toMatchObject({ user: { id: person.id } });
});

test("on an encrypted page the cookie is bound to the host and to encryption", async () => {
  const headers = { host: "wharf.example.com", origin: "https://wharf.example.com" };
  const { request } = await import("node:http");
  const sent = request(`${served.url}/login`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
  });
  sent.end(new URLSearchParams({ email: person.email, password }).toString());
  const [response] = (await once(sent, "response")) as [{ headers: { "set-cookie"?: string[] } }];
  expect(response.headers["set-cookie"]?.[0]).toMatch(/^__Host-wharf_session=[\w-]{43}; Path=\/; HttpOnly; .*Secure$/);
});

test("pages run no script, are in no frame and no cache, and load nothing", async () => {
  for (const path of ["/login", await createLink("login"), "/login/nonsense", "/account"]) {
    const { headers } = await browse(path);
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("same-origin");
  }
  const answer = await browse("/health");
  expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
});

test("the style of the page is the one that its policy allows", async () => {
  const page = await browse("/login");
  const [, style = ""] = /<style>(.*)<\/style>/s.exec(await page.text()) ?? [];
  const { createHash } = await import("node:crypto");
  expect(page.headers.get("content-security-policy")).toContain(
    `'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  );
});

test("the page of an account lists unused links, and revokes one", async () => {
  const path = await createLink("login");
  const cookie = getCookie(await logIn());
  const account = await (await browse("/account", { cookie })).text();
  expect(account).toContain("A link logs you in");
  const [, id = ""] = /action="\/account\/links">\s*<input type="hidden" name="id" value="([^"]+)"/.exec(account) ?? [];
  const revoked = await browse("/account/links", { method: "POST", cookie, form: { id } });
  expect([revoked.status, revoked.headers.get("location")]).toEqual([303, "/account"]);
  expect((await browse(path)).status).toBe(410);
});

test("opening a link uses nothing up; its button does", async () => {
  const path = await createLink("login");
  for (let i = 0; i < 3; i++) expect(await (await browse(path)).text()).toContain(`Log in as ${person.username}`);
  const response = await browse(path, { method: "POST" });
  expect(await hasSession(getCookie(response))).toBe(true);
  const again = await browse(path, { method: "POST" });
  expect([again.status, getCookie(again)]).toEqual([410, ""]);
  expect((await browse(path)).status).toBe(410);
});

test("a link sets a password, and an invitation creates an account", async () => {
  const own = await createPerson(f);
  const { links } = createTestLogins(f).modules;
  const reset = await links.create({ kind: "password", user_id: own.id }, { createdBy: undefined });
  const path = `/password/${reset.secret}`;
  expect((await browse(path, { method: "POST", form: { password: "short" } })).status).toBe(400);
  const changed = await browse(path, { method: "POST", form: { password } });
  expect(await hasSession(getCookie(changed))).toBe(true);
  const invitation = await links.create(
    { kind: "invitation", organization_id: f.owner.organization_id, email: "lin@example.com", role: "member" },
    { createdBy: undefined },
  );
  const accepted = await browse(`/invitations/${invitation.secret}`, {
    method: "POST",
    form: { username: "", password },
  });
  expect(await (await whoami(getCookie(accepted))).json()).toMatchObject({ user: { username: "lin" } });
});

test("a login never continues the session of the cookie that came with it", async () => {
  const planted = getCookie(await logIn());
  const response = await logIn({ cookie: planted });
  expect(getCookie(response)).not.toBe(planted);
  expect(await hasSession(planted)).toBe(false);
  expect(await hasSession(getCookie(response))).toBe(true);
  const invented = `${planted.split("=")[0]}=${"x".repeat(43)}`;
  await logIn({ cookie: invented });
  expect(await hasSession(invented)).toBe(false);
});

test("no page of another site, host or port can use a person's cookie", async () => {
  const cookie = getCookie(await logIn());
  const post = (headers: Record<string, string>) =>
    fetch(`${served.url}/api/v1/boards`, {
      method: "POST",
      headers: { cookie, "content-type": "application/json", ...headers },
      body: JSON.stringify({ name: "x" }),
    });
  expect((await post({ origin: served.url })).status).toBe(201);
  const otherPort = `http://127.0.0.1:${served.port === 65_535 ? 1 : served.port + 1}`;
  for (const origin of ["https://evil.example", "null", otherPort, served.url.replace("http:", "https:")])
    expect([origin, (await post({ origin })).status]).toEqual([origin, 403]);
  // A browser sends the origin with each of these requests, so one without it is not from its page.
  expect((await post({})).status).toBe(403);
  for (const site of ["cross-site", "same-site"]) {
    expect((await post({ origin: served.url, "sec-fetch-site": site })).status).toBe(403);
    expect((await whoami(cookie, { headers: { "sec-fetch-site": site } })).status).toBe(403);
    expect((await logIn({ headers: { "sec-fetch-site": site } })).status).toBe(403);
  }
  for (const path of ["/login", "/logout"])
    expect((await fetch(served.url + path, { method: "POST", headers: { cookie } })).status).toBe(403);
  expect(await hasSession(cookie)).toBe(true);
});

test("a WebSocket takes the cookie only from Wharf's own page", async () => {
  const cookie = getCookie(await logIn());
  const task = await f.newTask();
  await f.db
    .insert(schema.board_members)
    .values({ board_id: task.board_id, user_id: person.id, role: "viewer" })
    .onConflictDoNothing();
  const open = async (headers: Record<string, string>) => {
    const ws = new WebSocket(`${served.url.replace("http", "ws")}/api/v1/orchestrator/tasks/${task.id}/stream`, {
      headers,
    });
    const [result] = (await Promise.race([
      once(ws, "open").then(() => ["open"]),
      once(ws, "unexpected-response").then(([, response]) => [(response as { statusCode: number }).statusCode]),
    ])) as [string | number];
    ws.on("error", () => undefined).terminate();
    return result;
  };
  expect(await open({ cookie, origin: served.url })).toBe("open");
  expect(await open({ cookie })).toBe(403);
  expect(await open({ cookie, origin: "https://evil.example" })).toBe(403);
  expect(await open({ origin: served.url })).toBe(401);
});

test("a token in the header counts, whatever cookie comes with it", async () => {
  const cookie = getCookie(await logIn());
  const send = (authorization: string) => whoami(cookie, { headers: { authorization } });
  expect(await (await send(`Bearer ${token}`)).json()).toMatchObject({ user: { username: "owner" } });
  expect((await send("Bearer wrong")).status).toBe(401);
  expect((await send("Basic b3duZXI6")).status).toBe(401);
});

test("no address in a request decides where a login leads", async () => {
  for (const query of ["?next=https://evil.example", "?redirect=//evil.example", "?return_to=\\\\evil.example"]) {
    const response = await browse(`/login${query}`, { method: "POST", form: { email: person.email, password } });
    expect(response.headers.get("location")).toBe("/");
  }
});

test("a wrong password and an unknown account get the same page", async () => {
  const send = async (email: string) => {
    const response = await browse("/login", { method: "POST", form: { email, password: "wrong" } });
    return [response.status, await response.text(), getCookie(response)];
  };
  const known = await send(person.email);
  expect(known[0]).toBe(401);
  expect(await send("nowhere@example.com")).toEqual(known);
});

test("names and links cannot add HTML to a page", async () => {
  const { links } = createTestLogins(f).modules;
  const email = `"'&x@example.com`;
  const { secret } = await links.create(
    { kind: "invitation", organization_id: f.owner.organization_id, email, role: "member" },
    { createdBy: undefined },
  );
  const text = await (await browse(`/invitations/${secret}`)).text();
  expect(text).toContain("&#34;&#39;&#38;x@example.com");
  expect(text).not.toContain(email);
  const strange = await browse("/login/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
  expect(await strange.text()).not.toContain("<script");
});

test("logging out ends the session on the server too", async () => {
  const [cookie, other] = [getCookie(await logIn()), getCookie(await logIn())];
  const response = await browse("/logout", { method: "POST", cookie });
  expect(response.headers.getSetCookie()[0]).toMatch(/^wharf_session_\d+=; .*Max-Age=0/);
  expect([await hasSession(cookie), await hasSession(other)]).toEqual([false, true]);
  expect((await browse("/account", { cookie })).headers.get("location")).toBe("/login");
});

test("a body that is no form or too large is refused", async () => {
  const send = (type: string, body: string) =>
    fetch(`${served.url}/login`, {
      method: "POST",
      headers: { origin: served.url, "content-type": type },
      body,
    });
  const form = "application/x-www-form-urlencoded";
  expect((await send(form, "")).status).toBe(400);
  expect((await send(form, "email=a&password=")).status).toBe(400);
  expect((await send(form, "x".repeat(100_000))).status).toBe(413);
  expect((await send("text/plain", "email=a@example.com&password=x")).status).toBe(415);
  expect((await send("application/json", JSON.stringify([1]))).status).toBe(400);
  expect((await send(form, "email=%00@example.com&password=%00")).status).toBe(400);
});

test("the API takes no form, which other sites could send", async () => {
  const response = await fetch(`${served.url}${api.login.path}`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ email: person.email, password }),
  });
  expect(response.status).toBeGreaterThanOrEqual(400);
});

test("each login is in the audit log with its person, and no secret is", async () => {
  const path = await createLink("login");
  const response = await browse(path, { method: "POST" });
  await browse(path, { method: "POST", headers: { "sec-fetch-site": "cross-site" } });
  await logIn();
  await browse("/login", { method: "POST", form: { email: person.email, password: "a wrong one" } });
  await browse("/logout", { method: "POST", cookie: getCookie(response) });
  const readEntries = () => f.db.select().from(schema.audit_entries);
  await expect.poll(async () => (await readEntries()).some(({ result }) => result === "denied")).toBe(true);
  const entries = await readEntries();
  const about = entries.filter(({ target_id }) => target_id === person.id).map(({ action }) => action);
  expect(about).toEqual(expect.arrayContaining(["useLoginLink", "login", "logout"]));
  const text = JSON.stringify(entries);
  expect(text).toContain(person.email);
  for (const secret of [path.split("/").at(-1)!, password, "a wrong one", getCookie(response).split("=")[1]!])
    expect(text.includes(secret)).toBe(false);
});
