import { api, type LoginTokens } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Client } from "../../../cli/src/server/client.ts";
import { type ServedApi, serveApi } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { createOrganization, createPerson, type TestPerson } from "../../test/logins.ts";
import { schema } from "../store/index.ts";

const password = "correct horse battery";

let f: Fixture;
let served: ServedApi;
let boss: Client;
let organization_id: string;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  organization_id = await createOrganization(f);
  const admin = await createPerson(f, { password, role: "admin", organization_id });
  boss = createClient((await logIn(admin.email)).access_token);
});
beforeEach(() => f.db.delete(schema.login_failures));
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const createClient = (bearer?: string) =>
  new Client(async () => ({ url: served.url, ...(bearer !== undefined && { token: bearer }) }));
const logIn = (email: string): Promise<LoginTokens> => createClient().call(api.login, { body: { email, password } });
const getSecret = ({ path }: { path: string }) => path.split("/").at(-1) ?? "";
const invite = async (email: string) =>
  getSecret(await boss.call(api.createInvitation, { body: { email, role: "viewer" } }));
const add = ({ username, email }: Pick<TestPerson, "username" | "email">, more = {}) =>
  boss.call(api.addMember, { body: { username, email, ...more } });
const leave = ({ id }: TestPerson) =>
  f.db.delete(schema.memberships).where(eq(schema.memberships.user_id, id)).execute();
const isMember = async ({ id }: TestPerson) =>
  (await boss.call(api.listMembers, {})).users.some((user) => user.id === id);

describe("an admin who adds a person of another organization", () => {
  test("gets neither their account nor a token for them, but the way to invite them", async () => {
    const person = await createPerson(f, { password });
    await expect(add(person)).rejects.toMatchObject({
      code: "user_needs_invitation",
      next: expect.stringContaining(`wharf user invite ${person.email}`),
    });
    expect(await isMember(person)).toBe(false);
    await expect(
      boss.call(api.createAccessToken, { body: { name: "theirs", user: person.username } }),
    ).rejects.toMatchObject({ code: "user_not_found" });
  });

  test("gets the same answer when that person has left every organization", async () => {
    const person = await createPerson(f);
    await leave(person);
    await expect(add(person)).rejects.toMatchObject({ code: "user_needs_invitation" });
    const { user } = await createClient().call(api.acceptInvitation, {
      body: { token: await invite(person.email), password },
    });
    expect(user).toEqual(person);
    expect(await isMember(person)).toBe(true);
    expect((await logIn(person.email)).user).toEqual(person);
  });

  test("takes over only a program that no organization has any more", async () => {
    const program = await createPerson(f, { is_service: true });
    await expect(add(program, { is_service: true })).rejects.toMatchObject({ code: "user_exists" });
    await leave(program);
    await expect(add(program)).rejects.toMatchObject({ code: "user_exists" });
    expect(await add(program, { is_service: true })).toMatchObject({ id: program.id });
  });
});

describe("a person who is logged in", () => {
  test("joins with an invitation to their address, with the role of it, once", async () => {
    const person = await createPerson(f, { password });
    const own = createClient((await logIn(person.email)).access_token);
    const token = await invite(person.email);
    const joined = await own.call(api.joinOrganization, { body: { token } });
    expect(joined).toMatchObject({ id: organization_id, role: "viewer" });
    expect(await isMember(person)).toBe(true);
    await expect(own.call(api.joinOrganization, { body: { token } })).rejects.toMatchObject({ code: "link_invalid" });
  });

  test("does not join with another person's invitation, which still works", async () => {
    const [person, other] = [await createPerson(f, { password }), await createPerson(f, { password })];
    const token = await invite(other.email);
    const join = async ({ email }: TestPerson) =>
      createClient((await logIn(email)).access_token).call(api.joinOrganization, { body: { token } });
    await expect(join(person)).rejects.toMatchObject({ code: "invitation_for_other_account" });
    expect(await isMember(person)).toBe(false);
    expect(await join(other)).toMatchObject({ role: "viewer" });
  });

  test("joins on the page of the invitation with a button alone", async () => {
    const person = await createPerson(f, { password });
    const page = `/invitations/${await invite(person.email)}`;
    const post = (path: string, cookie: string, form: Record<string, string>) =>
      fetch(served.url + path, {
        method: "POST",
        redirect: "manual",
        headers: { origin: served.url, cookie },
        body: new URLSearchParams(form),
      });
    const login = await post("/login", "", { email: person.email, password });
    const cookie = login.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    expect(await (await fetch(served.url + page)).text()).toContain("enter its password");
    expect(await (await fetch(served.url + page, { headers: { cookie } })).text()).toContain(
      `Join as ${person.username}`,
    );
    const withoutLogin = await post(page, "", { join: "yes" });
    expect([withoutLogin.headers.get("location"), await isMember(person)]).toEqual([page, false]);
    const joined = await post(page, cookie, { join: "yes" });
    expect([joined.status, joined.headers.get("location"), await isMember(person)]).toEqual([303, "/", true]);
  });
});

test("an invitation to an account of an operator, or with another way to log in, proves nothing", async () => {
  const operator = await createPerson(f, { is_operator: true });
  const member = await createPerson(f);
  await leave(operator);
  for (const { email } of [operator, member])
    await expect(
      createClient().call(api.acceptInvitation, { body: { token: await invite(email), password } }),
    ).rejects.toMatchObject({ code: "login_failed" });
});

describe("unused links of a person", () => {
  test("are listed without their secrets, and revoked by their person alone", async () => {
    const [person, other] = [await createPerson(f, { password }), await createPerson(f, { password })];
    const own = createClient((await logIn(person.email)).access_token);
    const foreign = createClient((await logIn(other.email)).access_token);
    const created = await own.call(api.createOwnLink, { body: { kind: "login" } });
    const { links } = await own.call(api.listOwnLinks, {});
    expect(links).toMatchObject([{ kind: "login", created_by: person.username }]);
    expect(JSON.stringify(links)).not.toContain(getSecret(created));
    const params = { link_id: links[0]?.id ?? "" };
    await expect(foreign.call(api.revokeOwnLink, { params })).rejects.toMatchObject({ code: "login_link_not_found" });
    await own.call(api.revokeOwnLink, { params });
    await expect(createClient().call(api.useLoginLink, { body: { token: getSecret(created) } })).rejects.toMatchObject({
      code: "link_invalid",
    });
    expect((await own.call(api.listOwnLinks, {})).links).toEqual([]);
    await expect(own.call(api.revokeOwnLink, { params })).rejects.toMatchObject({ code: "login_link_not_found" });
  });

  test("are not listed after they were used or expired", async () => {
    const person = await createPerson(f, { password });
    const own = createClient((await logIn(person.email)).access_token);
    const used = await own.call(api.createOwnLink, { body: { kind: "login" } });
    await createClient().call(api.useLoginLink, { body: { token: getSecret(used) } });
    await own.call(api.createOwnLink, { body: { kind: "password" } });
    const isTheirs = and(eq(schema.login_links.user_id, person.id), eq(schema.login_links.kind, "password"));
    await f.db
      .update(schema.login_links)
      .set({ expires_at: new Date(0) })
      .where(isTheirs);
    expect((await own.call(api.listOwnLinks, {})).links).toEqual([]);
  });
});
