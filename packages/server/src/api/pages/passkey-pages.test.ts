import { createHash } from "node:crypto";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type ServedApi, serveApi } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { createPerson, type TestPerson } from "../../../test/logins.ts";
import { PasskeyDevice } from "../../../test/passkey-device.ts";
import { schema } from "../../store/index.ts";

const password = "correct horse battery";

let f: Fixture;
let served: ServedApi;
/** The server's name on this machine, at which passkeys work. */
let url: string;
let person: TestPerson;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  url = `http://localhost:${served.port}`;
});
beforeEach(async () => {
  await f.db.delete(schema.login_failures);
  person = await createPerson(f, { password });
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

interface Sent {
  readonly form?: Readonly<Record<string, string>>;
  readonly cookie?: string;
  readonly origin?: string;
}

const post = (path: string, { form, cookie, origin = url }: Sent = {}) =>
  fetch(url + path, {
    method: "POST",
    redirect: "manual",
    headers: { origin, ...(cookie !== undefined && { cookie }) },
    ...(form && { body: new URLSearchParams(form) }),
  });
const open = async (path: string, cookie: string, base = url) => {
  const answer = await fetch(base + path, { headers: { cookie } });
  return { text: await answer.text(), policy: answer.headers.get("content-security-policy") ?? "" };
};
const getCookie = (response: Response) => response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
const logInWithPassword = async () => getCookie(await post("/login", { form: { email: person.email, password } }));

interface Attempt {
  readonly secret: string;
  readonly options: { readonly challenge: string; readonly user: { readonly id: string } };
}

const begin = async (path: string, sent: Sent = {}) => (await (await post(path, sent)).json()) as Attempt;

/** Does what the script of the account's page does. */
async function addPasskey(device: PasskeyDevice, cookie: string, name = "My laptop") {
  const { secret, options } = await begin("/account/passkeys/attempt", { cookie });
  const credential = device.create(options, { origin: url, domain: "localhost", challenge: options.challenge });
  const form = { secret, credential: JSON.stringify(credential), name };
  return post("/account/passkeys", { form, cookie });
}

/** Does what the script of the login page does. */
async function logIn(device: PasskeyDevice, more: { counter?: number } = {}) {
  const { secret, options } = await begin("/passkeys/login/attempt");
  const used = device.use({ origin: url, domain: "localhost", challenge: options.challenge, ...more });
  return post("/passkeys/login", { form: { secret, credential: JSON.stringify(used) } });
}

const whoami = async (cookie: string) => (await fetch(`${url}${api.whoami.path}`, { headers: { cookie } })).json();

test("a person adds a passkey, logs in with it without a name, sees it and removes it", async () => {
  const device = new PasskeyDevice();
  const first = await logInWithPassword();
  const added = await addPasskey(device, first);
  expect([added.status, added.headers.get("location")]).toEqual([303, "/account"]);
  const response = await logIn(device);
  expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
  const cookie = getCookie(response);
  expect(cookie).not.toBe(first);
  expect(await whoami(cookie)).toMatchObject({ user: { id: person.id } });
  const sessions = await fetch(`${url}${api.listSessions.path}`, { headers: { cookie } });
  expect(await sessions.json()).toMatchObject({ sessions: [{ method: "passkey", is_current: true }, {}] });
  const page = await open("/account", cookie);
  expect(page.text).toContain("My laptop");
  const [, id = ""] = /action="\/account\/passkeys\/remove"[^]*?name="id" value="([^"]+)"/.exec(page.text) ?? [];
  expect((await post("/account/passkeys/remove", { form: { id }, cookie })).status).toBe(303);
  expect((await open("/account", cookie)).text).not.toContain("My laptop");
  const refused = await logIn(device);
  expect([refused.status, getCookie(refused)]).toEqual([401, ""]);
  expect(await refused.text()).toMatch(/This passkey does not log in[^]*name="password"/);
});

test("pages with passkeys run only their own script", async () => {
  const cookie = await logInWithPassword();
  for (const path of ["/login", "/account"]) {
    const { text, policy } = await open(path, cookie);
    const [, script = ""] = /<script type="module">([^]*?)<\/script>/.exec(text) ?? [];
    expect(script).toContain("PublicKeyCredential");
    const hash = createHash("sha256").update(script).digest("base64");
    expect(policy).toMatch(/^default-src 'none'; .*form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/);
    expect(policy).toContain(`script-src 'sha256-${hash}'; connect-src 'self'`);
    expect(text).toMatch(/<form[^>]*data-passkey[^>]* hidden/);
    expect(text).not.toMatch(/<[^>]+ (?:on\w+|style)=/);
  }
});

test("where a browser has no passkeys, pages say where they work and show no control", async () => {
  const login = await open("/login", "", served.url);
  expect(login.text).toContain(`href="${url}/login"`);
  const response = await fetch(`${served.url}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: served.url },
    body: new URLSearchParams({ email: person.email, password }),
  });
  const account = await open("/account", getCookie(response), served.url);
  expect(account.text).toContain(`Open ${url} instead`);
  for (const { text, policy } of [login, account]) {
    expect(text).not.toMatch(/data-passkey|<script/);
    expect(policy).not.toContain("script-src");
  }
  const attempt = await fetch(`${served.url}/passkeys/login/attempt`, {
    method: "POST",
    headers: { origin: served.url },
  });
  expect([attempt.status, await attempt.json()]).toMatchObject([409, { code: "passkeys_unavailable" }]);
});

test("other sites and people who are not logged in add no passkey", async () => {
  const cookie = await logInWithPassword();
  const paths = ["/passkeys/login/attempt", "/passkeys/login", "/account/passkeys", "/account/passkeys/attempt"];
  for (const path of [...paths, "/account/passkeys/remove"])
    expect([path, (await post(path, { cookie, origin: "https://evil.example" })).status]).toEqual([path, 403]);
  expect((await post("/account/passkeys/attempt")).status).toBe(401);
  const { secret, options } = await begin("/account/passkeys/attempt", { cookie });
  const created = new PasskeyDevice().create(options, {
    origin: url,
    domain: "localhost",
    challenge: options.challenge,
  });
  const form = { secret, credential: JSON.stringify(created), name: "" };
  const refused = await post("/account/passkeys", { form });
  expect(refused.headers.get("location")).toBe("/login");
  for (const credential of ["", "{}", "[", '{"id":"a","rawId":"a","type":"public-key","response":{}}'])
    expect((await post("/account/passkeys", { form: { ...form, credential }, cookie })).status).toBe(400);
  expect((await open("/account", cookie)).text).not.toContain("never used");
});

test("a passkey that is added, used, refused and removed is in the audit log", async () => {
  const device = new PasskeyDevice();
  const cookie = await logInWithPassword();
  await addPasskey(device, cookie);
  await logIn(device, { counter: 7 });
  expect((await logIn(device, { counter: 7 })).status).toBe(403);
  const [passkey] = await f.db.select().from(schema.passkeys);
  expect((await post("/account/passkeys/remove", { form: { id: passkey!.id }, cookie })).status).toBe(303);
  const readEntries = async () =>
    (await f.db.select().from(schema.audit_entries)).filter(({ target_id }) =>
      [person.id, passkey!.id].includes(target_id ?? ""),
    );
  await expect
    .poll(async () => (await readEntries()).map(({ action, result, target_id }) => [action, result, target_id]))
    .toEqual(
      expect.arrayContaining([
        ["addPasskey", "ok", passkey!.id],
        ["logInWithPasskey", "ok", person.id],
        ["logInWithPasskey", "denied", passkey!.id],
        ["removePasskey", "ok", passkey!.id],
      ]),
    );
  expect(JSON.stringify(await readEntries())).not.toContain(passkey!.public_key);
});

test("the API lists and removes one's own passkeys", async () => {
  const cookie = await logInWithPassword();
  await addPasskey(new PasskeyDevice(), cookie, "");
  const send = (path: string, method = "GET") => fetch(url + path, { method, headers: { cookie, origin: url } });
  const list = async () => api.listPasskeys.response.parse(await (await send(api.listPasskeys.path)).json()).passkeys;
  const [passkey] = await list();
  expect(passkey).toMatchObject({ name: "Passkey", domain: "localhost", is_synced: false });
  expect((await send(`${api.listPasskeys.path}/${crypto.randomUUID()}`, "DELETE")).status).toBe(404);
  expect((await send(`${api.listPasskeys.path}/${passkey!.id}`, "DELETE")).status).toBe(204);
  expect(await list()).toEqual([]);
});
