import { WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { applyRecord } from "../journal/apply-record.ts";
import { RunCommands } from "./run-commands.ts";

const { runs, turns } = schema;
const getErrorCode = (thrown: unknown) => (thrown instanceof WharfError ? thrown.code : String(thrown));
const notices = async (f: Fixture, id: string) =>
  (await f.log.read(id, 0, 100)).flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []));

describe("pausing a task", () => {
  // K-057 K-058 X-007
  test("sets the run's desired state and logs it once, as does resuming; the task stays in progress and keeps its slot", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    await f.prompt(task);
    await f.db.update(runs).set({ status: "RUNNING", slot: true });
    const by = { by: f.owner.user_id };
    for (let i = 0; i < 2; i++) await f.commands.pause(task.id, by);
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "PAUSE", slot: true, status: "RUNNING" }]);
    expect(await f.tasks.find(f.owner, task.id)).toMatchObject({ state: "IN_PROGRESS" });
    for (let i = 0; i < 2; i++) await f.commands.resume(task.id, by);
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "RUN", slot: true }]);
    expect(await notices(f, task.id)).toEqual(["Pausing the agent.", "Resuming the agent."]);
  });

  test("needs an open turn and a reachable runner", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const by = { by: f.owner.user_id };
    expect(await f.commands.pause(task.id, by).catch(getErrorCode)).toBe("no_run");
    expect(await f.commands.resume(task.id, by).catch(getErrorCode)).toBe("no_run");
    const turn = await f.prompt(task);
    const runner_id = crypto.randomUUID();
    await f.db.insert(schema.runners).values({ id: runner_id, backend: "local", tier: "small" });
    await f.db.update(runs).set({ status: "RUNNING", runner_id });
    const away = new RunCommands(
      f.log,
      () => undefined,
      (id) => id === runner_id,
    );
    expect(await away.pause(task.id, by).catch(getErrorCode)).toBe("unsupported");
    await f.db.update(turns).set({ state: "ENDED" }).where(eq(turns.id, turn.id));
    expect(await f.commands.pause(task.id, by).catch(getErrorCode)).toBe("no_turn");
  });

  test("ends with its turn and does not prevent a stop", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const turn = await f.prompt(task);
    await f.db.update(runs).set({ status: "PAUSED", slot: true });
    await f.db.update(turns).set({ state: "RUNNING" });
    await f.commands.pause(task.id, { by: f.owner.user_id });
    const record = {
      seq: 1,
      at: new Date().toISOString(),
      run_id: turn.run_id,
      type: "result" as const,
      data: { kind: "turn" as const, turn_id: turn.id, status: "ended" as const, stop_reason: "end_turn" },
    };
    await f.log.write((writer) => applyRecord(writer, { task_id: task.id, run_id: turn.run_id, record }));
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "RUN", slot: false }]);
    await f.prompt(task);
    await f.commands.pause(task.id, { by: f.owner.user_id });
    await f.commands.stop(task.id, "REVIEW", { by: f.owner.user_id });
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "STOP", stop_status: "STOPPED" }]);
    expect(await f.commands.resume(task.id, { by: f.owner.user_id }).catch(getErrorCode)).toBe("no_run");
  });
});

test("a prompt's files are stored with its turn, named in the log and not returned with it", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const attachments = [{ name: "a.txt", mime_type: "text/plain", data: "aGFsbG8=" }];
  const prompt = { text: "look", by: f.owner.user_id, agent_type: "demo", attachments };
  const turn = await f.commands.prompt(task.id, prompt);
  expect(turn).not.toHaveProperty("attachments");
  expect(await f.db.select({ attachments: turns.attachments }).from(turns)).toEqual([{ attachments }]);
  expect(await notices(f, task.id)).toEqual(["Attachments: a.txt (5 bytes)."]);
});
