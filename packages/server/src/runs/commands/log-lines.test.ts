import { eq, sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import type { LogFilter } from "./log-lines.ts";
import { RunQueries } from "./run-queries.ts";

const { events, runs, turns } = schema;

/** Creates a task with a run, and lines of each level. */
async function createLog(f: Fixture) {
  const task = await f.newTask();
  const { run_id } = await f.prompt(task);
  await f.log.write(({ append }) =>
    append(task.id, [
      { run_id, data: { kind: "thought", text: "a thought" } },
      { run_id, data: { kind: "report", level: "WARNING", message: "a warning" }, type: "log" },
      { run_id, data: { kind: "failure", code: "agent_exited", message: "an error" } },
      { run_id, data: { kind: "tool_call", tool_call_id: "1", title: "npm test", status: "completed" } },
      { run_id, data: { kind: "report", level: "debug", message: "a detail" }, type: "log" },
    ]),
  );
  return { task, run_id };
}

const read = async (f: Fixture, taskId: string, filter: Partial<LogFilter> = {}) => {
  const page = await new RunQueries(f.db).listLogs({ taskId }, { limit: 100, ...filter });
  return { ...page, messages: page.logs.map(({ message }) => message) };
};

describe("the log of a task as lines", () => {
  // K-060
  test("has the lines of a level and above, each as one sentence", async () => {
    await using f = await fixture();
    const { task } = await createLog(f);
    expect((await read(f, task.id, { level: "error" })).logs).toMatchObject([{ level: "error", message: "an error" }]);
    expect((await read(f, task.id, { level: "warn" })).messages).toEqual(["a warning", "an error"]);
    expect((await read(f, task.id, { level: "info" })).messages).toEqual([
      "task: TODO",
      "run: PENDING",
      "turn queued",
      "go on",
      "task: TODO → IN_PROGRESS",
      "a warning",
      "an error",
      "npm test completed",
    ]);
    const all = await read(f, task.id);
    expect(all.total).toBe(10);
    expect(all.logs.map(({ level }) => level).filter((level) => level === "debug")).toHaveLength(2);
  });

  // K-060
  test("begins at a time, and is read page by page", async () => {
    await using f = await fixture();
    const { task } = await createLog(f);
    const stored = sql`timestamptz '2026-01-01T00:00:00Z' + make_interval(secs => seq::int)`;
    await f.db.update(events).set({ created_at: stored });
    expect((await read(f, task.id, { since: "2026-01-01T00:00:08Z" })).messages).toEqual([
      "an error",
      "npm test completed",
      "a detail",
    ]);
    expect(await read(f, task.id, { since: "2026-01-01T00:00:11Z" })).toMatchObject({ logs: [], total: 0 });
    expect((await read(f, task.id, { since: "2025-01-01T00:00:00Z" })).total).toBe(10);
    expect((await read(f, task.id, { limit: 2, offset: 8 })).messages).toEqual(["npm test completed", "a detail"]);
    const seqs: number[] = [];
    for (let cursor: string | undefined, isLast = false; !isLast;) {
      const page = await read(f, task.id, { limit: 3, cursor });
      seqs.push(...page.logs.map(({ seq }) => seq));
      cursor = page.next_cursor;
      isLast = cursor === undefined;
    }
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("counts up to a limit, and shortens long messages", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const data = { kind: "notice" as const, message: "x".repeat(5000) };
    await f.log.write(({ append }) =>
      append(
        task.id,
        Array.from({ length: 1001 }, () => ({ data })),
      ),
    );
    const page = await read(f, task.id, { limit: 2 });
    expect(page).toMatchObject({ total: 1000, total_capped: true });
    expect(page.messages[1]).toHaveLength(1000);
  });
});

// K-045
test("the log of a run has its own lines, and not those of another run of the task", async () => {
  await using f = await fixture();
  const { task, run_id } = await createLog(f);
  await f.db.update(turns).set({ state: "ENDED" });
  await f.db.update(runs).set({ status: "COMPLETED", queued_at: null });
  const next = await f.prompt(task, "once more");
  const queries = new RunQueries(f.db);
  const readRun = async (id: string) => {
    const [run] = await f.db.select().from(runs).where(eq(runs.id, id));
    const { logs } = await queries.listLogs({ taskId: task.id, run: run! }, { limit: 100 });
    return logs.map(({ message }) => message);
  };
  expect(await readRun(next.run_id)).toEqual(["run: PENDING", "turn queued", "once more"]);
  expect(await readRun(run_id)).toContain("an error");
  expect(await readRun(run_id)).not.toContain("once more");
});
