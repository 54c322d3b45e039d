import { api, type LoginTokens } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../../cli/src/server/client.ts";
import { type ServedApi, serveApi, token } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { createOrganization, createPerson } from "../../test/logins.ts";
import { Identities } from "../access/index.ts";
import { schema } from "../store/index.ts";

const password = "correct horse battery";

let f: Fixture;
let served: ServedApi;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

const createClient = (bearer?: string) =>
  new Client(async () => ({ url: served.url, ...(bearer !== undefined && { token: bearer }) }));
const anyone = () => createClient();
const owner = () => createClient(token);
const logIn = (email: string): Promise<LoginTokens> => anyone().call(api.login, { body: { email, password } });
const getSecret = ({ path }: { path: string }) => path.split("/").at(-1) ?? "";
const forgetFailures = () => f.db.delete(schema.login_failures);

//
test("a program logs in, refreshes its login and logs out", async () => {
  const person = await createPerson(f, { password });
  const first = await logIn(person.email.toUpperCase());
  expect(first).toMatchObject({ token_type: "Bearer", expires_in: 900, user: person });
  const me = await createClient(first.access_token).call(api.whoami, {});
  expect(me).toMatchObject({ user: { id: person.id }, role: "member" });
  const second = await anyone().call(api.refreshLogin, { body: { refresh_token: first.refresh_token } });
  expect(second).toMatchObject({ session_id: first.session_id, user: person });
  await anyone().call(api.logout, { body: { refresh_token: second.refresh_token } });
  for (const { access_token } of [first, second])
    await expect(createClient(access_token).call(api.whoami, {})).rejects.toMatchObject({ code: "login_ended" });
});

test("a stolen refresh token ends the login for its thief and its owner", async () => {
  const person = await createPerson(f, { password });
  const stolen = await logIn(person.email);
  const own = await anyone().call(api.refreshLogin, { body: { refresh_token: stolen.refresh_token } });
  await f.db.update(schema.sessions).set({ replaced_at: sql`now() - interval '1 minute'` });
  const ended = { code: "login_ended" };
  await expect(
    anyone().call(api.refreshLogin, { body: { refresh_token: stolen.refresh_token } }),
  ).rejects.toMatchObject(ended);
  await expect(anyone().call(api.refreshLogin, { body: { refresh_token: own.refresh_token } })).rejects.toMatchObject(
    ended,
  );
  await expect(createClient(own.access_token).call(api.whoami, {})).rejects.toMatchObject({ code: "login_ended" });
});

test("a wrong password, an account without one, a service and an unknown account look the same", async () => {
  await forgetFailures();
  const people = await Promise.all([
    createPerson(f, { password }),
    createPerson(f),
    createPerson(f, { password, is_service: true }),
  ]);
  const answers = [];
  for (const { email } of [...people, { email: "nowhere@example.com" }]) {
    const isRight = email !== people[0].email;
    const body = { email, password: isRight ? password : "another password" };
    answers.push(
      await anyone()
        .call(api.login, { body })
        .catch((error: { toProblem(): unknown }) => error.toProblem()),
    );
  }
  expect(answers[0]).toMatchObject({ status: 401, code: "login_failed" });
  for (const answer of answers) expect(answer).toEqual(answers[0]);
});

test("a person who left every organisation cannot log in, and their token ends at once", async () => {
  await forgetFailures();
  const person = await createPerson(f, { password });
  const { access_token } = await logIn(person.email);
  await owner().call(api.removeMember, { params: { user: person.username } });
  await expect(createClient(access_token).call(api.whoami, {})).rejects.toMatchObject({ code: "login_ended" });
  await expect(logIn(person.email)).rejects.toMatchObject({ code: "login_failed" });
});

test("the sixth wrong password is refused, also with the right one", async () => {
  await forgetFailures();
  const { email } = await createPerson(f, { password });
  for (let i = 0; i < 5; i++)
    await expect(anyone().call(api.login, { body: { email, password: "wrong" } })).rejects.toMatchObject({
      code: "login_failed",
    });
  await expect(logIn(email)).rejects.toMatchObject({ code: "rate_limited" });
  await forgetFailures();
});

test("the owner's first way in is a link, which works once", async () => {
  const link = await owner().call(api.createOwnLink, { body: { kind: "login" } });
  expect(link).toMatchObject({ kind: "login", path: expect.stringMatching(/^\/login\/[\w-]{43}$/) });
  const body = { token: getSecret(link) };
  const { access_token } = await anyone().call(api.useLoginLink, { body });
  expect(await createClient(access_token).call(api.whoami, {})).toMatchObject({ user: { username: "owner" } });
  await expect(anyone().call(api.useLoginLink, { body })).rejects.toMatchObject({ code: "link_invalid" });
  const { sessions, last_login_at } = await createClient(access_token).call(api.listSessions, {});
  expect(sessions.filter(({ is_current }) => is_current)).toHaveLength(1);
  expect(last_login_at).toBeDefined();
});

//
test("an invited person creates an account with the role of the invitation", async () => {
  const invitation = await owner().call(api.createInvitation, { body: { email: "Grace@Example.com", role: "viewer" } });
  expect((await owner().call(api.listInvitations, {})).invitations).toMatchObject([{ email: "grace@example.com" }]);
  const body = { token: getSecret(invitation), password };
  await expect(anyone().call(api.acceptInvitation, { body: { ...body, password: "short" } })).rejects.toMatchObject({
    code: "password_unsuitable",
  });
  const { access_token, user } = await anyone().call(api.acceptInvitation, { body });
  expect(user).toMatchObject({ email: "grace@example.com", username: "grace" });
  expect(await createClient(access_token).call(api.whoami, {})).toMatchObject({ role: "viewer" });
  await expect(anyone().call(api.acceptInvitation, { body })).rejects.toMatchObject({ code: "link_invalid" });
  expect((await owner().call(api.listInvitations, {})).invitations).toEqual([]);
  await logIn("grace@example.com");
});

test("an invitation never takes over an account that exists", async () => {
  await forgetFailures();
  const organization_id = await createOrganization(f);
  const boss = await createPerson(f, { password, role: "admin", organization_id });
  const victim = await createPerson(f, { password });
  const { access_token } = await logIn(boss.email);
  const invitation = await createClient(access_token).call(api.createInvitation, {
    body: { email: victim.email, role: "admin" },
  });
  const accept = (text: string) =>
    anyone().call(api.acceptInvitation, { body: { token: getSecret(invitation), password: text } });
  await expect(accept("the password of the boss")).rejects.toMatchObject({ code: "login_failed" });
  const accepted = await accept(password);
  const me = await createClient(accepted.access_token).call(api.whoami, {});
  expect(me.organizations.map(({ role }) => role)).toEqual(["member", "admin"]);
});

test("admins make links for members of their organisation alone, and never for the person who runs the server", async () => {
  await forgetFailures();
  const organization_id = await createOrganization(f);
  const boss = await createPerson(f, { password, role: "admin", organization_id });
  const member = await createPerson(f, { password, organization_id });
  const shared = await createPerson(f, { password, organization_id });
  const { organization_id: home } = f.owner;
  await f.db.insert(schema.memberships).values({ organization_id: home, user_id: shared.id, role: "member" });
  const service = await createPerson(f, { organization_id, is_service: true });
  const operator = await createPerson(f, { organization_id, is_operator: true });
  const client = createClient((await logIn(boss.email)).access_token);
  const link = (user: string) => client.call(api.createUserLink, { params: { user }, body: { kind: "password" } });
  expect(await link(member.username)).toMatchObject({ kind: "password", user: member });
  await expect(link("owner")).rejects.toMatchObject({ code: "user_not_found" });
  await expect(link(shared.username)).rejects.toMatchObject({ code: "account_shared" });
  await expect(link(operator.username)).rejects.toMatchObject({ code: "account_shared" });
  await expect(link(service.username)).rejects.toMatchObject({ code: "account_is_service" });
  const own = createClient((await logIn(member.email)).access_token);
  await expect(own.call(api.createUserLink, { params: { user: boss.username }, body: {} })).rejects.toMatchObject({
    code: "permission_missing",
  });
});

test("a token with a list of permissions cannot become a login", async () => {
  const narrow = await owner().call(api.createAccessToken, {
    body: { name: "narrow", permissions: ["account:write", "organization:admin"] },
  });
  const client = createClient(narrow.token);
  const missing = { code: "permission_missing" };
  await expect(client.call(api.createOwnLink, { body: {} })).rejects.toMatchObject(missing);
  await expect(client.call(api.createUserLink, { params: { user: "owner" }, body: {} })).rejects.toMatchObject(missing);
  await expect(
    client.call(api.createInvitation, { body: { email: "me@example.com", role: "admin" } }),
  ).rejects.toMatchObject(missing);
  await expect(client.call(api.changePassword, { body: { new_password: password } })).rejects.toMatchObject(missing);
});

test("a token that an admin created for a person does not act on their account, also not by another token", async () => {
  await forgetFailures();
  const organization_id = await createOrganization(f);
  const boss = await createPerson(f, { password, role: "admin", organization_id });
  const person = await createPerson(f, { password, role: "admin" });
  await f.db.insert(schema.memberships).values({ organization_id, user_id: person.id, role: "admin" });
  const admin = createClient((await logIn(boss.email)).access_token);
  const issued = await admin.call(api.createAccessToken, { body: { name: "issued", user: person.username } });
  const derived = await createClient(issued.token).call(api.createAccessToken, { body: { name: "derived" } });
  for (const bearer of [issued.token, derived.token]) {
    const client = createClient(bearer);
    expect(await client.call(api.whoami, {})).toMatchObject({ user: { id: person.id } });
    await expect(client.call(api.createOwnLink, { body: {} })).rejects.toMatchObject({ code: "permission_missing" });
    await expect(
      client.call(api.createUserLink, { params: { user: person.username }, body: {} }),
    ).rejects.toMatchObject({ code: "account_shared" });
  }
  const own = createClient((await logIn(person.email)).access_token);
  const { token: ownToken } = await own.call(api.createAccessToken, { body: { name: "own" } });
  expect(await createClient(ownToken).call(api.createOwnLink, { body: {} })).toMatchObject({ kind: "login" });
});

test("a new password ends all other logins and links, and the old one is needed for it", async () => {
  await forgetFailures();
  const person = await createPerson(f, { password });
  const [here, elsewhere] = [await logIn(person.email), await logIn(person.email)];
  const client = createClient(here.access_token);
  const open = await client.call(api.createOwnLink, { body: { kind: "login" } });
  const change = (current_password?: string) =>
    client.call(api.changePassword, {
      body: { new_password: "an even better one", ...(current_password !== undefined && { current_password }) },
    });
  await expect(change()).rejects.toMatchObject({ code: "login_failed" });
  await expect(change("wrong")).rejects.toMatchObject({ code: "login_failed" });
  await change(password);
  await client.call(api.whoami, {});
  await expect(createClient(elsewhere.access_token).call(api.whoami, {})).rejects.toMatchObject({
    code: "login_ended",
  });
  await expect(anyone().call(api.useLoginLink, { body: { token: getSecret(open) } })).rejects.toMatchObject({
    code: "link_invalid",
  });
  await expect(logIn(person.email)).rejects.toMatchObject({ code: "login_failed" });
});

test("a link for a password sets it once, and ends all logins", async () => {
  await forgetFailures();
  const person = await createPerson(f);
  const link = await owner().call(api.createUserLink, { params: { user: person.id }, body: { kind: "password" } });
  const first = await anyone().call(api.setPassword, { body: { token: getSecret(link), password } });
  expect(first.user).toEqual(person);
  await logIn(person.email);
  await expect(anyone().call(api.setPassword, { body: { token: getSecret(link), password } })).rejects.toMatchObject({
    code: "link_invalid",
  });
  expect(await owner().call(api.endUserSessions, { params: { user: person.id } })).toEqual({ ended: 2 });
  await expect(createClient(first.access_token).call(api.whoami, {})).rejects.toMatchObject({
    code: "login_ended",
  });
});

test("people end their own logins, and no others", async () => {
  await forgetFailures();
  const [one, other] = [await createPerson(f, { password }), await createPerson(f, { password })];
  const [first, second, foreign] = [await logIn(one.email), await logIn(one.email), await logIn(other.email)];
  const client = createClient(first.access_token);
  const { sessions } = await client.call(api.listSessions, {});
  expect(sessions.map(({ id, is_current }) => [id, is_current])).toEqual([
    [second.session_id, false],
    [first.session_id, true],
  ]);
  await expect(client.call(api.endSession, { params: { session_id: foreign.session_id } })).rejects.toMatchObject({
    code: "login_not_found",
  });
  expect(await client.call(api.endSessions, {})).toEqual({ ended: 1 });
  await client.call(api.whoami, {});
  await createClient(foreign.access_token).call(api.whoami, {});
});

test("an old hash is replaced at the next login", async () => {
  await forgetFailures();
  const person = await createPerson(f, { password });
  const byId = eq(schema.users.id, person.id);
  const { argon2Sync } = await import("node:crypto");
  const nonce = Buffer.alloc(16, 7);
  const tag = argon2Sync("argon2id", {
    message: Buffer.from(password),
    nonce,
    memory: 8_192,
    passes: 2,
    parallelism: 1,
    tagLength: 32,
  });
  const [salt, text] = [nonce, tag].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  await f.db
    .update(schema.users)
    .set({ password_hash: `$argon2id$v=19$m=8192,t=2,p=1$${salt}$${text}` })
    .where(byId);
  await logIn(person.email);
  const [row] = await f.db.select().from(schema.users).where(byId);
  expect(row?.password_hash).toContain("m=19456");
  await logIn(person.email);
});

test("an admin lists and removes the login providers of a member, and a person only their own", async () => {
  const [person, other] = [await createPerson(f, { password }), await createPerson(f, { password })];
  const identities = new Identities(f.db);
  const issuer = "https://login.example.com";
  for (const subject of [`first ${person.id}`, `second ${person.id}`])
    await identities.add(f.db, { user_id: person.id, issuer, subject, email: person.email });
  const ofMember = { params: { user: person.username } };
  const list = async () => (await owner().call(api.listUserIdentities, ofMember)).identities;
  const [first, second] = await list();
  expect(first).toMatchObject({ issuer, email: person.email });
  const missing = { code: "identity_not_found" };
  const own = { params: { identity_id: first!.id } };
  const stranger = createClient((await logIn(other.email)).access_token);
  await expect(stranger.call(api.removeIdentity, own)).rejects.toMatchObject(missing);
  await expect(stranger.call(api.listUserIdentities, ofMember)).rejects.toMatchObject({ code: "permission_missing" });
  const removal = { params: { ...ofMember.params, ...own.params } };
  await owner().call(api.removeUserIdentity, removal);
  await expect(owner().call(api.removeUserIdentity, removal)).rejects.toMatchObject(missing);
  const self = createClient((await logIn(person.email)).access_token);
  expect((await self.call(api.listIdentities, {})).identities).toMatchObject([{ id: second!.id }]);
  await self.call(api.removeIdentity, { params: { identity_id: second!.id } });
  expect(await list()).toEqual([]);
});
