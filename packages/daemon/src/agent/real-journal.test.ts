import { join } from "node:path";
import type { JournalRecord } from "@wharf/contract";
import { expect, test } from "vitest";
import { openJournal } from "../journal/index.ts";
import { Bench, until } from "./fixtures/bench.ts";
import { SingleAgentHost } from "./host.ts";

test("a turn is in the real journal, the agent waits while it is full, and a new daemon finds the turn ended", async () => {
  await using bench = await Bench.open();
  const folder = join(bench.folder, "journal");
  await using journal = await openJournal({ folder, capacityBytes: 200_000 });
  const host = new SingleAgentHost({ ...bench.options, journal });
  await host.recover();
  await host.start(bench.createInput("plain"));
  const commit = { message: "m", author_name: "a", author_email: "e" };
  await host.prompt({ run_id: "run-1", turn_id: "t", text: "flood 20000", idle_timeout_s: 5, commit });

  const records: JournalRecord[] = [];
  await until(() => journal.state().last > 500);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(journal.state().last).toBeLessThan(5_000);
  expect(host.state().status).toBe("busy");
  while (host.state().status === "busy" || records.length < journal.state().last) {
    for await (const record of journal.read({ after: records.at(-1)?.seq ?? 0 })) records.push(record);
    await journal.ack({ epoch: journal.state().epoch, seq: records.at(-1)?.seq ?? 0 });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const titles = records.flatMap(({ data }) =>
    data.kind === "tool_call" && data.title !== undefined ? [data.title] : [],
  );
  expect(titles).toEqual(Array.from({ length: 20_000 }, (_, i) => String(i)));
  expect(records.at(-1)?.data).toMatchObject({ kind: "turn", turn_id: "t", status: "ended" });

  const next = new SingleAgentHost({ ...bench.options, journal });
  const { last } = journal.state();
  await next.recover();
  expect(await next.turn("t")).toEqual({ turn_id: "t", state: "ENDED" });
  await journal.flush();
  expect(journal.state().last).toBeLessThanOrEqual(last + 1); // recover() ended the agent
  await host.stop("the test is over");
});
