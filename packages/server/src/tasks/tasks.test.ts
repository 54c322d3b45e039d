import { describe, expect, test } from "vitest";
import { fixture } from "../../test/fixture.ts";
import { lockTask } from "./tasks.ts";

describe("changing a task", () => {
  test("logs the changed fields, and nothing if none changed", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const by = f.owner.user_id;
    const changed = await f.tasks.update(task.id, { title: "another", priority: 3, branch: undefined }, { by });
    expect(changed).toMatchObject({ title: "another", priority: 3, description: "do it" });
    expect(changed.updated_at.getTime()).toBeGreaterThan(task.updated_at.getTime());
    await f.tasks.update(task.id, {}, { by });
    const lines = await f.log.read(task.id, 1, 10);
    expect(lines.map(({ data }) => data)).toEqual([
      { kind: "update", fields: ["title", "priority"], values: { title: "another", priority: 3 } },
    ]);
  });

  test("waits for the holder of the task's lock", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const order: string[] = [];
    const { promise: isLocked, resolve: locked } = Promise.withResolvers<void>();
    const holding = f.log.write(async ({ tx, append }) => {
      await lockTask(tx, task.id);
      locked();
      // The other transaction reaches the lock during these statements.
      for (let i = 0; i < 20; i++) await append(task.id, [{ data: { kind: "notice", message: `${i}` } }]);
      order.push("holder");
    });
    await isLocked;
    await f.tasks.update(task.id, { title: "another" }, { by: f.owner.user_id });
    order.push("update");
    await holding;
    expect(order).toEqual(["holder", "update"]);
    expect((await f.log.read(task.id, 0, 100)).at(-1)?.data).toMatchObject({ fields: ["title"] });
  });
});
