import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { Links } from "./links.ts";

const invalid = { code: "link_invalid" };
const createLoginLink = (f: Fixture, links: Links) =>
  links.create({ kind: "login", user_id: f.owner.user_id }, { createdBy: undefined });
const invite = (f: Fixture, links: Links, email = "ada@example.com") =>
  links.create(
    { kind: "invitation", organization_id: f.owner.organization_id, email, role: "member" },
    { createdBy: f.owner.user_id },
  );

test("a link works once, even if it is opened twice at the same moment", async () => {
  await using f = await fixture();
  const links = new Links(f.db);
  const { secret } = await createLoginLink(f, links);
  expect(await links.find(secret, ["login"])).toMatchObject({ user_id: f.owner.user_id });
  expect(await links.find(secret, ["login"])).toMatchObject({ user_id: f.owner.user_id });
  const results = await Promise.allSettled([1, 2, 3].map(() => links.use(f.db, secret, ["login"])));
  expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected", "rejected"]);
  await expect(links.find(secret, ["login"])).rejects.toMatchObject(invalid);
});

test("a link that expired, is of another kind or was never made does not work", async () => {
  await using f = await fixture();
  const links = new Links(f.db);
  const { link, secret } = await createLoginLink(f, links);
  await expect(links.use(f.db, secret, ["password"])).rejects.toMatchObject(invalid);
  for (const text of ["", link.id, link.secret_hash, "x".repeat(43)])
    await expect(links.use(f.db, text, ["login"])).rejects.toMatchObject(invalid);
  await f.db
    .update(schema.login_links)
    .set({ expires_at: sql`now() - interval '1 second'` })
    .where(eq(schema.login_links.id, link.id));
  await expect(links.use(f.db, secret, ["login"])).rejects.toMatchObject(invalid);
});

test("the text of a link is not in the database", async () => {
  await using f = await fixture();
  const links = new Links(f.db);
  const { secret } = await createLoginLink(f, links);
  expect(JSON.stringify(await f.db.select().from(schema.login_links))).not.toContain(secret);
});

test("open links of a person are revoked together", async () => {
  await using f = await fixture();
  const links = new Links(f.db);
  const { secret } = await createLoginLink(f, links);
  const invitation = await invite(f, links);
  await links.revokeAll(f.db, f.owner.user_id);
  await expect(links.use(f.db, secret, ["login"])).rejects.toMatchObject(invalid);
  await links.use(f.db, invitation.secret, ["invitation"]);
});

test("an organisation lists and revokes its own invitations only", async () => {
  await using f = await fixture();
  const links = new Links(f.db);
  const organizationId = f.owner.organization_id;
  const stranger = randomUUID();
  const [first, second] = [await invite(f, links, "a@example.com"), await invite(f, links, "b@example.com")];
  const list = async (id = organizationId) =>
    (await links.listInvitations(id, { limit: 10 })).rows.map(({ email }) => email);
  expect(await list()).toEqual(["b@example.com", "a@example.com"]);
  expect(await list(stranger)).toEqual([]);
  const missing = { code: "invitation_not_found" };
  await expect(links.revokeInvitation(stranger, first.link.id)).rejects.toMatchObject(missing);
  await links.revokeInvitation(organizationId, first.link.id);
  await expect(links.revokeInvitation(organizationId, first.link.id)).rejects.toMatchObject(missing);
  await expect(links.use(f.db, first.secret, ["invitation"])).rejects.toMatchObject(invalid);
  await links.use(f.db, second.secret, ["invitation"]);
  expect(await list()).toEqual([]);
});
