import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { claim } from "../../../test/leases.ts";
import { addPerson, addWaitingRuns } from "../../../test/people.ts";
import { schema } from "../../store/index.ts";

const { runs, turns } = schema;

const trigger = (f: Fixture, taskId: string, isFirst = false) =>
  f.commands.trigger(taskId, { text: "go on", by: f.owner.user_id, agent_type: "demo" }, { isFirst });
const claimNext = async (f: Fixture, maxRuns: number) =>
  (await claim(f.db, "a", { maxRuns, scope: "all" })).map(({ task_id }) => task_id);

describe("triggering a task", () => {
  test("prompts it once: a task that waits or works gets no further turn", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await trigger(f, task.id);
    expect(await trigger(f, task.id)).toMatchObject({ id: turn.id });
    await f.db.update(runs).set({ status: "RUNNING", slot: true, queued_at: null });
    expect(await trigger(f, task.id)).toMatchObject({ id: turn.id });
    await f.db.update(turns).set({ state: "ENDED" });
    await f.db.update(runs).set({ slot: false });
    expect((await trigger(f, task.id)).id).not.toBe(turn.id);
  });

  test("starts a task whose prompts wait for a decision after an interruption", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task);
    await f.db.update(runs).set({ status: "RUNNING", queued_at: null });
    expect((await trigger(f, task.id)).id).not.toBe(turn.id);
    expect(await f.db.select().from(runs)).toMatchObject([{ queued_at: expect.any(Date) }]);
  });

  // K-052
  test("by force puts it before all others of its organization, and not before those of another one", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    const zoe = await addPerson(f, "zoe", crypto.randomUUID());
    await addWaitingRuns(f, ada, { count: 3, priority: 5 });
    await addWaitingRuns(f, zoe, { count: 1, priority: 9 });
    const task = await f.newTask();
    const other = await f.newTask();
    await f.prompt(other);
    await trigger(f, task.id, true);
    const getOrganizations = async (maxRuns: number) => {
      const claimed = await claimNext(f, maxRuns);
      return Promise.all(
        claimed.map(async (id) => {
          if (id === task.id) return "the task";
          const [run] = await f.db.select().from(runs).where(eq(runs.task_id, id));
          return run?.board_id === zoe.board_id ? "zoe" : run?.board_id === ada.board_id ? "ada" : "other";
        }),
      );
    };
    expect(await getOrganizations(6)).toEqual(["zoe", "the task", "ada", "ada", "ada", "other"]);
    expect(await f.db.select().from(runs).where(eq(runs.is_first, true))).toEqual([]);
  });
});
