import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { createOrganization, createPerson, createTestLogins, type TestPerson } from "../../../test/logins.ts";
import { PasskeyDevice } from "../../../test/passkey-device.ts";
import { schema } from "../../store/index.ts";
import { Members } from "../members.ts";
import { maxPasskeys } from "./passkeys.ts";

const host = "wharf.example.com";
const place = { origin: `https://${host}`, domain: host };
const source = { address: "192.0.2.7", user_agent: "test" };

let f: Fixture;
let modules: ReturnType<typeof createTestLogins>["modules"];
let person: TestPerson;
beforeAll(async () => {
  f = await fixture();
  ({ modules } = createTestLogins(f, { publicUrl: new URL(`https://${host}`) }));
});
beforeEach(async () => {
  await f.db.delete(schema.login_failures);
  await f.db.delete(schema.login_challenges);
  person = await createPerson(f);
});
afterAll(() => f[Symbol.asyncDispose]());

type DeviceAnswer = Partial<Parameters<PasskeyDevice["use"]>[0]>;

/** Adds a passkey, unless the device's answer differs. */
async function add(device: PasskeyDevice, { userId = person.id, ...answer }: DeviceAnswer & { userId?: string } = {}) {
  const { secret, options } = await modules.passkeyLogins.beginAdding(userId, { host, source });
  const created = device.create(options, { ...place, challenge: options.challenge, ...answer });
  return modules.passkeyLogins.add(userId, { secret, created, name: "Laptop" });
}

function start(...parameters: Parameters<typeof modules.sessions.startBrowserSession>) {
  return modules.sessions.startBrowserSession(...parameters);
}

async function logIn(device: PasskeyDevice, answer: DeviceAnswer = {}) {
  const { secret, options } = await modules.passkeyLogins.beginLogin({ host, source });
  const used = device.use({ ...place, challenge: options.challenge, ...answer });
  return modules.passkeyLogins.logIn({ secret, used }, { source, start });
}

async function createDevice(): Promise<PasskeyDevice> {
  const device = new PasskeyDevice();
  await add(device);
  return device;
}

const fails = (code: string) => expect.objectContaining({ code });

describe("a login with a passkey", () => {
  test("needs no name, and its session and the passkey record it", async () => {
    const device = await createDevice();
    const { options } = await modules.passkeyLogins.beginLogin({ host, source });
    expect(options).toMatchObject({ rpId: host, userVerification: "required" });
    expect(options.allowCredentials ?? []).toEqual([]);
    const { account, session, cookie } = await logIn(device);
    expect([account.id, session.method, session.user_id]).toEqual([person.id, "passkey", person.id]);
    expect(await modules.sessions.findByCookie(cookie)).toMatchObject({ id: session.id });
    expect(await modules.passkeys.list(person.id)).toMatchObject([
      { name: "Laptop", domain: host, counter: 1, used_at: expect.any(Date) },
    ]);
  });

  test("works with each of several passkeys, also of devices that do not count", async () => {
    const [counting, other] = [await createDevice(), await createDevice()];
    await logIn(counting);
    for (let i = 0; i < 2; i++) expect((await logIn(other, { counter: 0 })).account.id).toBe(person.id);
  });

  test.each<[string, DeviceAnswer]>([
    ["another origin", { origin: "https://evil.example" }],
    ["another port", { origin: `https://${host}:8443` }],
    ["plain HTTP", { origin: `http://${host}` }],
    ["another domain", { domain: "evil.example" }],
    ["another challenge", { challenge: Buffer.alloc(32).toString("base64url") }],
    ["a person who did not prove themselves to the device", { isVerified: false }],
    ["an answer of another kind", { type: "webauthn.create" }],
    ["another account", { userHandle: Buffer.alloc(16).toString("base64url") }],
  ])("refuses %s", async (_, answer) => {
    const device = await createDevice();
    await expect(logIn(device, answer)).rejects.toEqual(fails("passkey_refused"));
    expect(await modules.sessions.list(person.id, { limit: 10 })).toEqual({ rows: [] });
    expect((await logIn(device)).account.id).toBe(person.id);
  });

  test("refuses the signature of another key", async () => {
    const device = await createDevice();
    const forger = Object.assign(new PasskeyDevice(), { userHandle: device.userHandle });
    Object.assign(forger, { credentialId: device.credentialId });
    await expect(logIn(forger)).rejects.toEqual(fails("passkey_refused"));
    await expect(logIn(new PasskeyDevice(), { userHandle: device.userHandle })).rejects.toEqual(
      fails("passkey_refused"),
    );
  });

  test("uses each challenge up, also by an answer that is wrong", async () => {
    const device = await createDevice();
    const { secret, options } = await modules.passkeyLogins.beginLogin({ host, source });
    const finish = (more: DeviceAnswer = {}) => {
      const used = device.use({ ...place, challenge: options.challenge, ...more });
      return modules.passkeyLogins.logIn({ secret, used }, { source, start });
    };
    await expect(finish({ origin: "https://evil.example" })).rejects.toEqual(fails("passkey_refused"));
    await expect(finish()).rejects.toEqual(fails("passkey_attempt_lost"));
  });

  test("refuses a replay, a foreign secret, an expired challenge and one for a new passkey", async () => {
    const device = await createDevice();
    const begin = () => modules.passkeyLogins.beginLogin({ host, source });
    const finish = (secret: string, used: ReturnType<PasskeyDevice["use"]>) =>
      modules.passkeyLogins.logIn({ secret, used }, { source, start });
    const first = await begin();
    const used = device.use({ ...place, challenge: first.options.challenge });
    await finish(first.secret, used);
    await expect(finish(first.secret, used)).rejects.toEqual(fails("passkey_attempt_lost"));
    await expect(finish((await begin()).secret, used)).rejects.toEqual(fails("passkey_refused"));
    await expect(finish("x", used)).rejects.toEqual(fails("passkey_attempt_lost"));
    const adding = await modules.passkeyLogins.beginAdding(person.id, { host, source });
    await expect(finish(adding.secret, used)).rejects.toEqual(fails("passkey_attempt_lost"));
    const late = await begin();
    await f.db.update(schema.login_challenges).set({ expires_at: new Date(0) });
    const answer = device.use({ ...place, challenge: late.options.challenge });
    await expect(finish(late.secret, answer)).rejects.toEqual(fails("passkey_attempt_lost"));
  });

  test("refuses a count that does not rise, because a copy of the key may be in use", async () => {
    const device = await createDevice();
    await logIn(device, { counter: 5 });
    for (const counter of [5, 4, 0]) await expect(logIn(device, { counter })).rejects.toEqual(fails("passkey_copied"));
    expect((await modules.sessions.list(person.id, { limit: 10 })).rows).toHaveLength(1);
    await logIn(device, { counter: 6 });
  });

  test("lets only one of two logins with the same count in", async () => {
    const device = await createDevice();
    const results = await Promise.allSettled([logIn(device, { counter: 9 }), logIn(device, { counter: 9 })]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  test("is refused after the person has left the last organization, and works after they return", async () => {
    const device = await createDevice();
    const caller = { organization_id: f.owner.organization_id };
    await new Members(f.db, () => undefined).remove(caller, person.username);
    await expect(logIn(device)).rejects.toEqual(fails("account_inactive"));
    await f.db.insert(schema.memberships).values({ ...caller, user_id: person.id, role: "viewer" });
    expect((await logIn(device)).account.id).toBe(person.id);
  });

  test("is limited like all logins, and successes do not count", async () => {
    const device = await createDevice();
    for (let i = 0; i < 3; i++) await logIn(device);
    for (let i = 0; i < 50; i++)
      await expect(logIn(device, { isVerified: false })).rejects.toEqual(fails("passkey_refused"));
    await expect(logIn(device)).rejects.toEqual(fails("rate_limited"));
  });
});

describe("a new passkey", () => {
  test("is bound to the account, the page and the domain", async () => {
    const other = await createPerson(f);
    const { secret, options } = await modules.passkeyLogins.beginAdding(person.id, { host, source });
    expect(options).toMatchObject({
      rp: { id: host },
      attestation: "none",
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
    });
    const device = new PasskeyDevice();
    const created = device.create(options, { ...place, challenge: options.challenge });
    await expect(modules.passkeyLogins.add(other.id, { secret, created, name: "x" })).rejects.toEqual(
      fails("passkey_attempt_lost"),
    );
    for (const answer of [
      { origin: "https://evil.example" },
      { domain: "evil.example" },
      { challenge: "AAAA" },
      { isVerified: false },
      { type: "webauthn.get" },
    ])
      await expect(add(new PasskeyDevice(), answer)).rejects.toEqual(fails("passkey_unsuitable"));
    expect(await modules.passkeys.list(person.id)).toEqual([]);
  });

  test("belongs to one account only, and the device learns which ones it has", async () => {
    const device = await createDevice();
    const other = await createPerson(f);
    await expect(add(device, { userId: other.id })).rejects.toEqual(fails("passkey_unsuitable"));
    const { options } = await modules.passkeyLogins.beginAdding(person.id, { host, source });
    expect(options.excludeCredentials).toMatchObject([{ id: device.credentialId.toString("base64url") }]);
  });

  test("is refused beyond the limit, also if two come at once", async () => {
    const rows = Array.from({ length: maxPasskeys - 1 }, (_, i) => ({
      user_id: person.id,
      name: String(i),
      credential_id: `${person.id}-${i}`,
      public_key: "",
      domain: host,
      counter: 0,
      is_synced: false,
    }));
    for (const row of rows) await modules.passkeys.add(row);
    const results = await Promise.allSettled([add(new PasskeyDevice()), add(new PasskeyDevice())]);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toMatchObject([{ reason: { code: "too_many_passkeys" } }]);
    await expect(modules.passkeyLogins.beginAdding(person.id, { host, source })).rejects.toEqual(
      fails("too_many_passkeys"),
    );
  });
});

describe("a passkey that was removed", () => {
  test("does not work any more", async () => {
    const device = await createDevice();
    const [passkey] = await modules.passkeys.list(person.id);
    const other = await createPerson(f);
    await expect(modules.passkeys.remove(other.id, passkey!.id)).rejects.toEqual(fails("passkey_not_found"));
    await modules.passkeys.remove(person.id, passkey!.id);
    await expect(logIn(device)).rejects.toEqual(fails("passkey_refused"));
  });

  test("was removed by an admin of the person's only organization, or by an operator", async () => {
    await createDevice();
    const caller = { ...f.owner, role: "admin", is_operator: false } as const;
    const [passkey] = (await modules.passkeys.listOfMember(caller, person.username, { limit: 10 })).rows;
    const elsewhere = await createOrganization(f);
    await f.db.insert(schema.memberships).values({ organization_id: elsewhere, user_id: person.id, role: "viewer" });
    const remove = (is_operator: boolean) =>
      modules.passkeys.removeOfMember({ ...caller, user_id: crypto.randomUUID(), is_operator }, person.id, passkey!.id);
    await expect(remove(false)).rejects.toEqual(fails("account_shared"));
    await remove(true);
    expect(await modules.passkeys.list(person.id)).toEqual([]);
  });
});
