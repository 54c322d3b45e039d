import { expect, test } from "vitest";
import { fixture } from "../../test/fixture.ts";
import type { NewEvent } from "./log.ts";

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));
const say = (text: string, minute: number, run_id?: string): NewEvent => ({
  data: { kind: "message", role: "agent", text },
  timestamp: at(minute),
  ...(run_id && { run_id }),
});
const think = (text: string, minute: number): NewEvent => ({ data: { kind: "thought", text }, timestamp: at(minute) });

test("a log is read by kind, run and time, and pages continue where nothing matched", async () => {
  await using f = await fixture();
  const { id } = await f.newTask();
  const run = "0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d";
  const noise = Array.from({ length: 12_000 }, () => think("…", 5));
  const written = [say("first", 1), think("a", 2), say("second", 3, run), ...noise, say("last", 9, run)];
  await f.log.write(({ append }) => append(id, written));
  const task = await f.tasks.find(f.owner, id);
  const readAll = async (filter: Omit<Parameters<typeof f.log.readMatching>[1], "after" | "limit">, limit = 2) => {
    const texts: string[] = [];
    let pages = 0;
    for (let after: number | undefined = 0; after !== undefined; pages++) {
      const page = await f.log.readMatching(task, { ...filter, after, limit });
      texts.push(...page.events.flatMap(({ data }) => (data.kind === "message" ? [data.text] : [])));
      after = page.next_after;
    }
    return { texts, pages };
  };
  expect((await readAll({ kind: "message" })).texts).toEqual(["first", "second", "last"]);
  expect((await readAll({ kind: ["message", "plan"], agent_id: run })).texts).toEqual(["second", "last"]);
  expect((await readAll({ since: at(3).toISOString(), until: at(9).toISOString(), kind: "message" })).texts).toEqual([
    "second",
  ]);
  // A filter that matches nothing reads the log in parts.
  expect(await readAll({ kind: "plan" })).toEqual({ texts: [], pages: 2 });
  expect((await readAll({}, 1_000)).texts).toEqual(["first", "second", "last"]);
});
