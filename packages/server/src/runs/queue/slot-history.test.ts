import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { addPerson, addWaitingRuns } from "../../../test/people.ts";
import { schema } from "../../store/index.ts";
import { Queue } from "./queue.ts";
import { estimateStarts } from "./slot-history.ts";

describe("the estimated start of a task in the queue", () => {
  test("counts the turns before it, with the time that the running ones still need", () => {
    const history = { turnMs: 60_000, runningMs: [50_000, 20_000] };
    expect(estimateStarts(history, 2, 5)).toEqual([10_000, 40_000, 70_000, 100_000, 130_000]);
    expect(estimateStarts(history, 3, 4)).toEqual([0, 10_000, 40_000, 60_000]);
    expect(estimateStarts(history, 1, 2)).toEqual([40_000, 100_000]);
  });

  test("is now for a turn that takes longer than others did, and unknown without slots or turns", () => {
    expect(estimateStarts({ turnMs: 60_000, runningMs: [300_000] }, 1, 2)).toEqual([0, 60_000]);
    expect(estimateStarts({ turnMs: 60_000, runningMs: [] }, 0, 2)).toEqual([]);
    expect(estimateStarts({ turnMs: undefined, runningMs: [] }, 2, 2)).toEqual([]);
  });

  // K-054 X-011
  test("comes from the turns that ended last, and is missing until there are some, and during a pause", async () => {
    await using f = await fixture();
    const ada = await addPerson(f, "ada");
    const [ended] = await addWaitingRuns(f, ada);
    await addWaitingRuns(f, ada, { count: 3 });
    const queue = new Queue(f.db, { maxRuns: 1, scope: "all" });
    const getStarts = async () =>
      (await queue.list(ada, { limit: 10 })).tasks.map(({ estimated_start }) => estimated_start?.getTime());
    expect(await getStarts()).toEqual([undefined, undefined, undefined, undefined]);

    await f.db.update(schema.runs).set({ status: "COMPLETED", queued_at: null }).where(eq(schema.runs.id, ended!));
    const [run] = await f.db.select().from(schema.runs).where(eq(schema.runs.id, ended!));
    const endedAt = Date.now();
    for (const seconds of [60, 120, 180])
      await f.db.insert(schema.turns).values({
        id: crypto.randomUUID(),
        task_id: run!.task_id,
        run_id: run!.id,
        state: "ENDED",
        prompt: "go on",
        started_at: new Date(endedAt - seconds * 1000),
        ended_at: new Date(endedAt),
      });
    const [first, second, third] = await getStarts();
    expect(first).toBeGreaterThanOrEqual(endedAt);
    expect([second! - first!, third! - second!]).toEqual([120_000, 120_000]);
    await queue.pause({ by: ada.user_id });
    expect(await getStarts()).toEqual([undefined, undefined, undefined]);
  });
});
