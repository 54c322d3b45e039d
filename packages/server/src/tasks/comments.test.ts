import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { addPerson } from "../../test/people.ts";
import type { Scope } from "../access/index.ts";
import { schema } from "../store/index.ts";
import { Comments } from "./comments.ts";

const { board_members, task_comments, turns } = schema;

/** Adds a person who edits the owner's board. */
async function addEditor(f: Fixture, name: string): Promise<Scope> {
  const person = await addPerson(f, name);
  const board = { board_id: f.owner.default_board_id, user_id: person.user_id, role: "editor" as const };
  await f.db.insert(board_members).values(board);
  return { ...f.owner, ...person, needs: "task:comment" };
}

const readEvents = async (f: Fixture, taskId: string) =>
  (await f.log.read(taskId, 0, 100)).flatMap(({ data }) => (data.kind === "comment" ? [data] : []));

test("comments are listed oldest first in pages, and the log names their places without their texts", async () => {
  await using f = await fixture();
  const comments = new Comments(f.db, f.log);
  const task = await f.newTask();
  const ada = await addEditor(f, "ada");
  await comments.create(ada, task.id, { text: "one" });
  await comments.create(f.owner, task.id, { text: "two", file: "src/a.ts", line: 3 });
  await comments.create(ada, task.id, { text: "three", file: "src/a.ts", line: 4, side: "old" });
  const first = await comments.list(task.id, { limit: 2, open: false });
  const second = await comments.list(task.id, { limit: 2, open: false, cursor: first.next_cursor });
  expect([...first.comments, ...second.comments]).toMatchObject([
    { text: "one", author: "ada", file: null, line: null, side: null, sent_turn_id: null },
    { text: "two", author: "owner", file: "src/a.ts", line: 3, side: "new" },
    { text: "three", author: "ada", file: "src/a.ts", line: 4, side: "old" },
  ]);
  expect(second.next_cursor).toBeUndefined();
  const events = await readEvents(f, task.id);
  expect(events).toMatchObject([
    { status: "added", by: "ada", comment_id: first.comments[0]!.id },
    { status: "added", by: "owner", file: "src/a.ts", line: 3 },
    { status: "added", by: "ada", file: "src/a.ts", line: 4 },
  ]);
  expect(JSON.stringify(events)).not.toContain("three");
});

test("only its author changes a comment, and an owner of the board deletes any", async () => {
  await using f = await fixture();
  const comments = new Comments(f.db, f.log);
  const task = await f.newTask();
  const [ada, bob] = [await addEditor(f, "ada"), await addEditor(f, "bob")];
  const { id } = await comments.create(ada, task.id, { text: "one" });
  expect(await comments.update(ada, task.id, { id, text: "two" })).toMatchObject({ id, text: "two" });
  for (const other of [bob, f.owner])
    await expect(comments.update(other, task.id, { id, text: "x" })).rejects.toMatchObject({
      code: "comment_of_another",
    });
  await expect(comments.remove(bob, task.id, id)).rejects.toMatchObject({ code: "comment_of_another" });
  await comments.remove(f.owner, task.id, id);
  await expect(comments.remove(f.owner, task.id, id)).rejects.toMatchObject({ code: "comment_not_found" });
  expect((await readEvents(f, task.id)).map(({ status }) => status)).toEqual(["added", "changed", "deleted"]);
});

test("a comment of another task is not found, nor is a turn of another task", async () => {
  await using f = await fixture();
  const comments = new Comments(f.db, f.log);
  const [task, other] = [await f.newTask(), await f.newTask()];
  const { id } = await comments.create(f.owner, task.id, { text: "one" });
  const turn = await f.prompt(task);
  const notFound = { code: "comment_not_found" };
  await expect(comments.update(f.owner, other.id, { id, text: "x" })).rejects.toMatchObject(notFound);
  await expect(comments.remove(f.owner, other.id, id)).rejects.toMatchObject(notFound);
  await expect(comments.create(f.owner, other.id, { text: "x", turn_id: turn.id })).rejects.toMatchObject({
    code: "turn_not_found",
  });
});

test("a task has at most 1,000 comments", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  await f.pool.query(
    `insert into task_comments (id, task_id, text) select gen_random_uuid(), $1, 'x' from generate_series(1, 1000)`,
    [task.id],
  );
  await expect(new Comments(f.db, f.log).create(f.owner, task.id, { text: "more" })).rejects.toMatchObject({
    code: "comments_full",
  });
});

test("a prompt sends the open comments once, each with its author and its place", async () => {
  await using f = await fixture();
  const comments = new Comments(f.db, f.log);
  const task = await f.newTask();
  const prompt = { by: f.owner.user_id, agent_type: "demo", text: "", sendsComments: true };
  await expect(f.commands.prompt(task.id, prompt)).rejects.toMatchObject({ code: "no_open_comments" });
  await comments.create(f.owner, task.id, { text: "Add a test." });
  await comments.create(f.owner, task.id, { text: "Can be null.", file: "src/a.ts", line: 3, side: "old" });
  const turn_id = crypto.randomUUID();
  const first = await f.commands.prompt(task.id, { ...prompt, turn_id });
  expect(first.prompt).toBe(
    "Please address these comments.\n\nComment of owner:\nAdd a test.\n\nComment of owner on src/a.ts, line 3 before your changes:\nCan be null.",
  );
  expect((await comments.list(task.id, { limit: 10, open: true })).comments).toEqual([]);
  const all = (await comments.list(task.id, { limit: 10, open: false })).comments;
  expect(all.map(({ sent_turn_id }) => sent_turn_id)).toEqual([first.id, first.id]);
  // The same key again is the same turn, not a prompt without comments.
  expect((await f.commands.prompt(task.id, { ...prompt, turn_id })).id).toBe(first.id);
  await comments.create(f.owner, task.id, { text: "Also the docs.", file: "README.md" });
  const second = await f.commands.prompt(task.id, { ...prompt, text: "One more thing." });
  expect(second.prompt).toBe("One more thing.\n\nComment of owner on README.md:\nAlso the docs.");
});

test("open comments that do not fit into a prompt stay open", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  await f.pool.query(
    `insert into task_comments (id, task_id, text)
     select gen_random_uuid(), $1, repeat('x', 10000) from generate_series(1, 20)`,
    [task.id],
  );
  const prompt = { by: f.owner.user_id, agent_type: "demo", text: "", sendsComments: true };
  await expect(f.commands.prompt(task.id, prompt)).rejects.toMatchObject({ code: "comments_too_long" });
  expect(await f.db.$count(turns)).toBe(0);
  expect(await f.db.$count(task_comments)).toBe(20);
});
