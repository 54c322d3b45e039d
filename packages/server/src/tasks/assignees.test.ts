import { expect, test } from "vitest";
import { fixture } from "../../test/fixture.ts";
import { addPerson } from "../../test/people.ts";
import { Members } from "../access/index.ts";
import { schema } from "../store/index.ts";
import { Assignees } from "./assignees.ts";

const { board_members } = schema;

test("a task is assigned to a person who sees its board, and lists select by assignee", async () => {
  await using f = await fixture();
  const assignees = new Assignees(f.db, f.log);
  const [mine, hers, free] = [await f.newTask(), await f.newTask(), await f.newTask()];
  const ada = await addPerson(f, "ada");
  await expect(assignees.assign(f.owner, hers.id, { user: "ada" })).rejects.toMatchObject({
    code: "assignee_without_access",
  });
  await f.db.insert(board_members).values({ board_id: f.owner.default_board_id, user_id: ada.user_id, role: "viewer" });
  await assignees.assign(f.owner, hers.id, { user: "ada" });
  await assignees.assign(f.owner, hers.id, { user: ada.user_id });
  await assignees.assign(f.owner, mine.id, { user: "me" });
  const listIds = async (assignee: string) => {
    const page = await f.tasks.list(f.owner, { limit: 10, offset: 0, assignee });
    expect(page.total).toBe(page.tasks.length);
    return page.tasks.map(({ id }) => id);
  };
  expect([await listIds("me"), await listIds("ada"), await listIds("none")]).toEqual([[mine.id], [hers.id], [free.id]]);
  await assignees.assign(f.owner, hers.id, { user: undefined });
  expect(await listIds("none")).toEqual([free.id, hers.id]);
  await expect(assignees.assign(f.owner, hers.id, { user: "bob" })).rejects.toMatchObject({ code: "user_not_found" });
  const kinds = (await f.log.read(hers.id, 0, 10)).map(({ data }) => data.kind);
  expect(kinds).toEqual(["state", "update", "update"]);
});

test("the assignments of a person who leaves the organization end", async () => {
  await using f = await fixture();
  const ada = await addPerson(f, "ada");
  const task = await f.newTask();
  await f.db.insert(board_members).values({ board_id: f.owner.default_board_id, user_id: ada.user_id, role: "editor" });
  await new Assignees(f.db, f.log).assign(f.owner, task.id, { user: "ada" });
  await new Members(f.db, () => undefined).remove(f.owner, "ada");
  expect(await f.tasks.find(f.owner, task.id)).toMatchObject({ assignee_id: null });
});
