import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { getVisibleRunner } from "../../runners/standalone/standalone-rows.ts";
import { schema } from "../../store/index.ts";
import { RunQueries } from "./run-queries.ts";

const { runners, tasks } = schema;

describe("finding by a shortened id", () => {
  test("finds a task, a run and a runner by the whole id and by its beginning", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const { run_id } = await f.prompt(task);
    const runner_id = crypto.randomUUID();
    const { user_id: owner_id, organization_id } = f.owner;
    await f.db.insert(runners).values({ id: runner_id, backend: "local", tier: "small", owner_id, organization_id });
    const queries = new RunQueries(f.db);
    for (const shorten of [(id: string) => id, (id: string) => id.slice(0, 8), (id: string) => id.slice(0, 20)]) {
      expect((await f.tasks.find(f.owner, shorten(task.id))).id).toBe(task.id);
      expect((await queries.getRun(f.owner, shorten(run_id))).id).toBe(run_id);
      expect((await getVisibleRunner(f.db, f.owner, shorten(runner_id))).id).toBe(runner_id);
    }
  });

  test("fails for an ambiguous beginning and finds by the whole id", async () => {
    await using f = await fixture();
    const ids = ["0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"];
    for (const id of ids) {
      const task = await f.newTask();
      await f.db.delete(schema.events).where(eq(schema.events.task_id, task.id));
      await f.db.update(tasks).set({ id }).where(eq(tasks.id, task.id));
    }
    const find = (id: string) => f.tasks.find(f.owner, id);
    await expect(find("0a1b2c3d")).rejects.toMatchObject({ code: "ambiguous_id" });
    expect((await find(ids[1]!)).id).toBe(ids[1]);
  });

  test.each(["%_%_%_%_", "________", "%%%%%%%%", "\\\\\\\\\\\\\\\\", "", "\0\0\0\0\0\0\0\0"])(
    "finds nothing by %j, although there is one of each",
    async (id) => {
      await using f = await fixture();
      await f.prompt(await f.newTask());
      await expect(f.tasks.find(f.owner, id)).rejects.toMatchObject({ code: "task_not_found" });
      await expect(new RunQueries(f.db).getRun(f.owner, id)).rejects.toMatchObject({ code: "run_not_found" });
      await expect(getVisibleRunner(f.db, f.owner, id)).rejects.toMatchObject({ code: "runner_not_found" });
    },
  );
});
