import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { type NewLogin, Sessions } from "./sessions.ts";

const times = { idleMs: 3_600_000, maxMs: 86_400_000 };
const createSessions = (f: Fixture, secret = "s".repeat(32)) =>
  new Sessions(f.db, { secret, times, onEnd: () => undefined });
const createLogin = (f: Fixture, userId = f.owner.user_id): NewLogin => ({
  user_id: userId,
  method: "password",
  address: "192.0.2.1",
  user_agent: "a browser",
});

async function createUser(f: Fixture): Promise<string> {
  const [id, name] = [randomUUID(), randomUUID()];
  await f.db.insert(schema.users).values({ id, email: `${name}@example.com`, username: name });
  return id;
}

const age = (f: Fixture, id: string, column: "used_at" | "expires_at" | "replaced_at", seconds: number) =>
  f.db
    .update(schema.sessions)
    .set({ [column]: sql`now() - make_interval(secs => ${seconds})` })
    .where(eq(schema.sessions.id, id));

test("a cookie finds its session, and its text is not in the database", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const { session, cookie } = await sessions.startBrowserSession(f.db, createLogin(f));
  expect(await sessions.findByCookie(cookie)).toMatchObject({ id: session.id, user_id: f.owner.user_id });
  expect(await sessions.findByCookie(`${cookie}x`)).toBeUndefined();
  expect(await sessions.findByCookie(session.secret_hash ?? "")).toBeUndefined();
  expect(JSON.stringify(await f.db.select().from(schema.sessions))).not.toContain(cookie);
});

test("a session ends after a time without use, and after its longest time", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  for (const column of ["used_at", "expires_at"] as const) {
    const { session, cookie } = await sessions.startBrowserSession(f.db, createLogin(f));
    const program = await sessions.startProgramSession(f.db, createLogin(f));
    for (const { id } of [session, program.session]) await age(f, id, column, 3_601);
    expect(await sessions.findByCookie(cookie)).toBeUndefined();
    expect(await sessions.findById(program.session.id)).toBeUndefined();
    await expect(sessions.refresh(program.refresh_token)).rejects.toMatchObject({ code: "login_ended" });
  }
  expect(await sessions.list(f.owner.user_id, { limit: 10 })).toEqual({ rows: [] });
  expect(await sessions.prune(3)).toBe(3);
  expect(await sessions.prune(3)).toBe(1);
});

test("a request renews a session that was not used for a while", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const { session, cookie } = await sessions.startBrowserSession(f.db, createLogin(f));
  await age(f, session.id, "used_at", 3_500);
  await sessions.findByCookie(cookie);
  const [row] = (await sessions.list(f.owner.user_id, { limit: 10 })).rows;
  expect(row!.used_at.getTime()).toBeGreaterThanOrEqual(session.created_at.getTime());
});

test("each use of a refresh token replaces it", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const first = await sessions.startProgramSession(f.db, createLogin(f));
  const second = await sessions.refresh(first.refresh_token);
  const third = await sessions.refresh(second.refresh_token);
  expect(new Set([first, second, third].map(({ refresh_token }) => refresh_token)).size).toBe(3);
  expect(third.session).toMatchObject({ id: first.session.id, user_id: f.owner.user_id });
});

test("the use of a replaced token ends the session for both of its holders", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const first = await sessions.startProgramSession(f.db, createLogin(f));
  const { refresh_token } = await sessions.refresh(first.refresh_token);
  await age(f, first.session.id, "replaced_at", 60);
  await expect(sessions.refresh(first.refresh_token)).rejects.toMatchObject({ code: "login_ended" });
  await expect(sessions.refresh(refresh_token)).rejects.toMatchObject({ code: "login_ended" });
  expect(await sessions.findById(first.session.id)).toBeUndefined();
});

test("a program that missed the answer gets the same token again, and only for the last one", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const first = await sessions.startProgramSession(f.db, createLogin(f));
  const answers = await Promise.all([1, 2, 3].map(() => sessions.refresh(first.refresh_token)));
  expect(new Set(answers.map(({ refresh_token }) => refresh_token)).size).toBe(1);
  await sessions.refresh(answers[0]!.refresh_token);
  await expect(sessions.refresh(first.refresh_token)).rejects.toMatchObject({ code: "login_ended" });
});

test("a token that this server did not issue ends no session", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const { session, refresh_token } = await sessions.startProgramSession(f.db, createLogin(f));
  const foreign = createSessions(f, "t".repeat(32));
  await expect(foreign.refresh(refresh_token)).rejects.toMatchObject({ code: "login_ended" });
  const changed = refresh_token.replace(/.(?=.{9}$)/, (letter) => (letter === "A" ? "B" : "A"));
  for (const token of ["", "wharf_refresh_", `${refresh_token}A`, changed, "x".repeat(10_000)])
    await expect(sessions.refresh(token)).rejects.toMatchObject({ code: "login_ended" });
  expect(await sessions.findById(session.id)).toMatchObject({ id: session.id });
});

test("a person ends their sessions, one or all the others, and those of no other person", async () => {
  await using f = await fixture();
  const sessions = createSessions(f);
  const other = await createUser(f);
  const start = (userId: string) => sessions.startBrowserSession(f.db, createLogin(f, userId));
  const [kept, ended, third, foreign] = [
    await start(f.owner.user_id),
    await start(f.owner.user_id),
    await start(f.owner.user_id),
    await start(other),
  ];
  expect(await sessions.end(f.owner.user_id, foreign.session.id)).toBe(false);
  expect(await sessions.end(f.owner.user_id, ended.session.id)).toBe(true);
  expect(await sessions.findByCookie(ended.cookie)).toBeUndefined();
  expect(await sessions.endAll(f.owner.user_id, { exceptId: kept.session.id, also: async () => undefined })).toBe(1);
  expect(await sessions.findByCookie(third.cookie)).toBeUndefined();
  expect((await sessions.list(f.owner.user_id, { limit: 10 })).rows.map(({ id }) => id)).toEqual([kept.session.id]);
  expect(await sessions.findByCookie(foreign.cookie)).toBeDefined();
});
