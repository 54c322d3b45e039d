import { randomUUID } from "node:crypto";
import type { EventData } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { Comments } from "../comments.ts";
import { SearchIndexing } from "./search-indexing.ts";
import { Search, type SearchFilter } from "./search.ts";

const { boards, events, search_documents, search_positions, search_queue, tasks, users } = schema;

const secret = "s3cret-value-42";
const redact = (text: string) => text.replaceAll(secret, "[redacted]");

const createIndexing = (f: Pick<Fixture, "db" | "log">) =>
  new SearchIndexing({ db: f.db, log: f.log, redact }, pino({ level: "silent" }));

/** Takes all steps that are due. */
async function index(f: Fixture): Promise<void> {
  const indexing = createIndexing(f);
  for (let hasMore = true; hasMore;) hasMore = await indexing.step();
}

const find = (f: Fixture, filter: SearchFilter | string, scope = f.owner as Parameters<Search["find"]>[0]) =>
  new Search(f.db, redact).find(scope, typeof filter === "string" ? { text: filter, limit: 20 } : filter);
const findTexts = async (f: Fixture, text: string) => (await find(f, text)).results.map(({ excerpt }) => excerpt);
const say = (text: string): EventData => ({ kind: "message", role: "agent", text });
const print = (text: string): EventData => ({ kind: "output", stream: "stdout", text });

const append = (f: Fixture, taskId: string, ...data: EventData[]) =>
  f.log.write(({ append: add }) =>
    add(
      taskId,
      data.map((one) => ({ data: one })),
    ),
  );

describe("a search", () => {
  test("finds titles, descriptions, comments and what agents and tools wrote, and says where", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: "Repair the <b>zeppelin</b>" });
    const comment = await new Comments(f.db, f.log).create(f.owner, task.id, { text: "The zeppelin is large" });
    const tool: EventData = { kind: "tool_call", tool_call_id: "1", title: "Read src/airship/zeppelin.ts" };
    const [said] = await append(f, task.id, say("A zeppelin flies."));
    await append(f, task.id, tool, { ...tool, raw_output: { lines: ["import { zeppelin }"] } });
    await index(f);
    const { results, capped } = await find(f, "zeppelin");
    expect(capped).toBeUndefined();
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(["comment", "log", "log", "log", "task"]);
    // Titles count most.
    expect(results[0]).toMatchObject({ kind: "task", task_id: task.id, excerpt: "Repair the <b>zeppelin</b> do it" });
    expect(results.find(({ kind }) => kind === "comment")).toMatchObject({ comment_id: comment.id });
    expect(results.find(({ excerpt }) => excerpt === "A zeppelin flies.")).toMatchObject({
      seq: said!.seq,
      highlights: [{ start: 2, end: 10 }],
    });
    for (const { excerpt, highlights } of results)
      expect(highlights.map(({ start, end }) => excerpt.slice(start, end))).toContain("zeppelin");
  });

  test("puts the chunks of a message together, also those that come after the first ones were stored", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (const chunk of ["I looked at the hydro", "gen tanks. They are em", "pty now."]) {
      await append(f, task.id, say(chunk));
      await index(f);
    }
    await append(f, task.id, print("hydrogen tank 1"), print("hydrogen tank 2"));
    await index(f);
    expect(await findTexts(f, '"hydrogen tanks" empty')).toEqual([
      "I looked at the hydrogen tanks. They are empty now.",
    ]);
    expect(await findTexts(f, "hydrogen")).toHaveLength(2);
    const [printed] = (await find(f, '"tank 2"')).results;
    const [event] = await f.db.select().from(events).where(eq(events.seq, printed!.seq!));
    expect(event?.data).toMatchObject({ text: "hydrogen tank 2" });
  });

  test("understands phrases, alternatives, exclusions, and the beginning of the last word", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (const text of ["red apples grow", "green apples fall", "red pears fall"]) {
      await append(f, task.id, say(text));
      await append(f, task.id, { kind: "notice", message: "---" });
    }
    await index(f);
    const found = async (text: string) => (await findTexts(f, text)).toSorted();
    expect(await found('"red apples"')).toEqual(["red apples grow"]);
    expect(await found("apples red")).toEqual(["red apples grow"]);
    expect(await found("pears or green")).toEqual(["green apples fall", "red pears fall"]);
    expect(await found("apples -red")).toEqual(["green apples fall"]);
    expect(await found("red appl")).toEqual(["red apples grow"]);
    expect(await found('red "appl"')).toEqual([]);
    expect(await found("appl red")).toEqual([]);
  });

  test.each([
    "' or 1=1 --",
    "a' & !b | <-> ':*",
    "\\ x \\'",
    "((((a",
    '"',
    'a " b',
    "a:*ABCD & b",
    "%_ x",
    "\u0000 x",
    "\ud800 x",
    `${"x ".repeat(240)}`,
    "ａ'ｂ",
    "or or x",
    "-- x",
  ])("takes the text %j for words", async (text) => {
    await using f = await fixture();
    const task = await f.newTask();
    await append(f, task.id, say("x a'b"), { kind: "notice", message: text.toWellFormed().replaceAll("\u0000", "") });
    await index(f);
    const { results } = await find(f, { text, limit: 5 }).catch((error: { code: string }) => {
      expect(error.code).toBe("search_without_words");
      return { results: [] };
    });
    expect(results.length).toBeLessThan(6);
  });

  test.each(["-word", "...", "a or -b", '"!"'])("refuses %j, which names nothing that must occur", async (text) => {
    await using f = await fixture();
    await expect(find(f, text)).rejects.toMatchObject({ code: "search_without_words" });
  });

  test("finds only what is on boards that a person sees", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: "kraken" });
    await append(f, task.id, say("kraken board:label"));
    const user_id = randomUUID();
    await f.db.insert(users).values({ id: user_id, username: "else", email: "else@example.com" });
    const other = randomUUID();
    const { organization_id } = f.owner;
    await f.db.insert(boards).values({ id: other, name: "other", owner_id: user_id, organization_id });
    const viewer = { ...f.owner, user_id, role: "viewer" } as const;
    await index(f);
    expect((await find(f, "kraken")).results).toHaveLength(2);
    expect((await find(f, "kraken", viewer)).results).toEqual([]);
    await f.db.execute(
      sql`insert into board_members (board_id, user_id, role) values (${other}, ${user_id}, 'viewer')`,
    );
    expect((await find(f, "kraken", viewer)).results).toEqual([]);
    const foreign = { text: "kraken", board_id: task.board_id, limit: 5 };
    await expect(find(f, foreign, viewer)).rejects.toMatchObject({ code: "board_not_found" });
    await f.db.execute(
      sql`insert into board_members (board_id, user_id, role) values (${task.board_id}, ${user_id}, 'viewer')`,
    );
    expect((await find(f, "kraken", viewer)).results).toHaveLength(2);
    const elsewhere = { ...f.owner, organization_id: randomUUID() };
    expect((await find(f, "kraken", elsewhere)).results).toEqual([]);
  });

  test("narrows down by board, kind, state, agent and time", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: "walrus" });
    await append(f, task.id, say("walrus"));
    await f.db.update(tasks).set({ agent_type: "demo" }).where(eq(tasks.id, task.id));
    await index(f);
    const count = async (filter: Partial<SearchFilter>) =>
      (await find(f, { text: "walrus", limit: 20, ...filter })).results.length;
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(await count({ board_id: task.board_id })).toBe(2);
    expect(await count({ kind: "task" })).toBe(1);
    expect(await count({ kind: "comment" })).toBe(0);
    expect([await count({ state: "TODO" }), await count({ state: ["FAILED", "REVIEW"] })]).toEqual([2, 0]);
    expect([await count({ agent_type: "demo" }), await count({ agent_type: "claude" })]).toEqual([2, 0]);
    expect([await count({ since: soon }), await count({ until: soon })]).toEqual([0, 2]);
  });

  test("has pages that neither repeat nor skip results while others are added", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    for (let n = 0; n < 7; n++)
      await append(f, task.id, say(`narwhal ${"narwhal ".repeat(n % 3)}`), { kind: "notice", message: "-" });
    await index(f);
    const seqs: (number | undefined)[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await find(f, { text: "narwhal", limit: 2, cursor });
      seqs.push(...page.results.map(({ seq }) => seq));
      cursor = page.next_cursor;
      if (cursor === undefined) break;
      await append(f, task.id, { kind: "notice", message: "a narwhal" });
      await index(f);
    }
    expect(seqs).toHaveLength(7);
    expect(new Set(seqs).size).toBe(7);
    await expect(find(f, { text: "narwhal", limit: 2, cursor: "x" })).rejects.toMatchObject({ code: "bad_request" });
  });

  test("neither finds nor shows what redaction removes, even divided between chunks", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: `the key ${secret}` });
    await new Comments(f.db, f.log).create(f.owner, task.id, { text: `key: ${secret}` });
    await append(f, task.id, say(`key ${secret.slice(0, 6)}`), say(secret.slice(6)));
    await index(f);
    expect(await findTexts(f, `"${secret}"`)).toEqual([]);
    expect(await findTexts(f, "s3cret")).toEqual([]);
    const found = await find(f, "key");
    expect(found.results).toHaveLength(3);
    expect(JSON.stringify(found)).not.toContain("s3cret");
  });
});

describe("a search for a common word", () => {
  test("ranks the newest matches, says so, and still finds an older rare one", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const lines = Array.from({ length: 5_400 }, (_, n) => ({
      kind: "notice" as const,
      message: `sparrow${n} sparrow`,
    }));
    await append(f, task.id, ...lines);
    await index(f);
    await append(f, task.id, say("sparrow sparrow sparrow sparrow"));
    await index(f);
    const { results, capped } = await find(f, "sparrow");
    expect(capped).toBe(true);
    expect(results[0]).toMatchObject({ excerpt: "sparrow sparrow sparrow sparrow" });
    expect(results.slice(1).every(({ seq }) => seq! > 4_000)).toBe(true);
    const rare = await find(f, '"sparrow7" sparrow');
    expect(rare.results.map(({ excerpt }) => excerpt)).toEqual(["sparrow7 sparrow"]);
    expect(rare.capped).toBeUndefined();
  });
});

describe("the documents of the search", () => {
  test("follow changes of titles and comments, and the end of tasks and of their events", async () => {
    await using f = await fixture();
    const task = await f.newTask({ title: "ostrich" });
    const comments = new Comments(f.db, f.log);
    const comment = await comments.create(f.owner, task.id, { text: "a pelican" });
    const kept = await append(f, task.id, say("flamingo"), { kind: "notice", message: "heron" });
    await index(f);
    await f.tasks.update(task.id, { title: "cassowary" }, { by: f.owner.user_id });
    await comments.update(f.owner, task.id, { id: comment.id, text: "a stork" });
    await index(f);
    expect(await findTexts(f, "ostrich or pelican")).toEqual([]);
    expect(await findTexts(f, "cassowary or stork")).toHaveLength(2);
    await comments.remove(f.owner, task.id, comment.id);
    await index(f);
    expect(await findTexts(f, "stork")).toEqual([]);
    await f.db.delete(events).where(eq(events.seq, kept[0]!.seq));
    expect(await findTexts(f, "flamingo")).toEqual([]);
    expect(await findTexts(f, "heron")).toHaveLength(1);
    await f.commands.delete(task.id);
    expect(await findTexts(f, "cassowary or heron")).toEqual([]);
  });

  test("are complete and have no duplicates after writers that work at once, and when they are built again", async () => {
    await using f = await fixture();
    const made = await Promise.all(Array.from({ length: 4 }, () => f.newTask({ title: "gull" })));
    let isWriting = true;
    const steps = [createIndexing(f), createIndexing(f)].map(async (indexing) => {
      while ((await indexing.step()) || isWriting);
    });
    await Promise.all(
      made.map(async ({ id }) => {
        for (let n = 0; n < 30; n++) await append(f, id, say(`gull${n} `), { kind: "notice", message: `tern${n}` });
      }),
    );
    isWriting = false;
    await Promise.all(steps);
    expect(await f.db.select().from(search_queue)).toEqual([]);
    const count = async () => (await find(f, { text: "gull", limit: 1_000 })).results.length;
    const countAll = async () =>
      Number((await f.db.execute(sql`select count(*) as n from search_documents`)).rows[0]?.["n"]);
    for (let n = 0; n < 30; n++) expect((await find(f, `"tern${n}"`)).results).toHaveLength(4);
    const [found, all] = [await count(), await countAll()];
    await f.db.delete(search_documents);
    await f.db.delete(search_positions);
    await f.db.execute(sql`insert into search_queue (task_id) select id from tasks`);
    await index(f);
    expect([await count(), await countAll()]).toEqual([found, all]);
  });

  test("have an event that is committed while its task leaves the queue", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const appended = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const writing = f.log.write(async ({ append: add }) => {
      await add(task.id, [{ data: say("kingfisher") }]);
      appended.resolve();
      await commit.promise;
    });
    await appended.promise;
    const step = createIndexing(f).step();
    const isWaiting = sql`select from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database() and query like '%search_queue%'`;
    await expect.poll(async () => (await f.db.execute(isWaiting)).rowCount, { timeout: 20_000 }).toBe(1);
    commit.resolve();
    await Promise.all([writing, step]);
    await index(f);
    expect(await findTexts(f, "kingfisher")).toHaveLength(1);
  });

  test("of a long log come in several steps, and one task that fails delays no other", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const lines = Array.from({ length: 2_500 }, (_, n) => print(`albatross${n}`));
    await append(f, task.id, ...lines);
    const other = await f.newTask();
    await append(f, other.id, say("puffin"));
    const read: typeof f.log.read = (id, ...rest) =>
      id === task.id ? Promise.reject(new Error("unreadable")) : f.log.read(id, ...rest);
    const failing = new SearchIndexing({ db: f.db, log: { read }, redact }, pino({ level: "silent" }));
    while (await failing.step());
    expect(await findTexts(f, "puffin")).toHaveLength(1);
    expect(await findTexts(f, "albatross7")).toEqual([]);
    await f.db.update(search_queue).set({ due_at: sql`now()` });
    await index(f);
    for (const n of [0, 999, 1_000, 2_499]) expect((await find(f, `"albatross${n}"`)).results).toHaveLength(1);
  });
});
