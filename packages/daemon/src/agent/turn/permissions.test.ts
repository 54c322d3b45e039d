import type { EventDataByKind } from "@wharf/contract";
import { expect, test } from "vitest";
import { Bench, until } from "../fixtures/bench.ts";

const waitForRequest = async (bench: Bench): Promise<EventDataByKind<"permission">> => {
  await until(() => bench.journal.getEvents("permission").some(({ status }) => status === "asked"));
  return bench.journal.getEvents("permission").find(({ status }) => status === "asked") ?? expect.fail();
};

test("allow-all answers with the first allowing option and records that the policy answered", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("ask execute");
  expect(bench.journal.messageText).toBe('{"outcome":"selected","optionId":"yes"}');
  expect(bench.journal.getEvents("tool_call")[0]).toMatchObject({
    tool_call_id: "p1",
    title: "Do p1",
    tool_kind: "execute",
    raw_input: { a: 1 },
  });
  expect(bench.journal.getEvents("permission")).toEqual([
    {
      kind: "permission",
      permission_id: expect.any(String),
      status: "answered",
      by: "policy",
      option_id: "yes",
      title: "Do p1",
      tool_call_id: "p1",
      options: [
        { option_id: "yes", name: "Allow", option_kind: "allow_once" },
        { option_id: "always", name: "Always", option_kind: "allow_always" },
        { option_id: "no", name: "Reject", option_kind: "reject_once" },
      ],
    },
  ]);
});

test("allow-edits allows edits, also of a tool call whose kind was sent earlier, and asks for everything else", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "allow-edits" });
  for (const kind of ["edit", "delete", "move", "read", "search", "think"])
    await bench.runTurn(`ask ${kind} id-${kind}`);
  await bench.runTurn("late");
  expect(bench.journal.getEvents("permission").map(({ status, by }) => `${status} ${by}`)).toEqual(
    Array(7).fill("answered policy"),
  );
  for (const kind of ["execute", "fetch", "other", "none"]) {
    bench.journal.records.length = 0;
    const turn = await bench.prompt(`ask ${kind} id-${kind}`);
    const { permission_id } = await waitForRequest(bench);
    await bench.host.answerPermission({ permission_id, option_id: "no", by: "ann" });
    await bench.waitForEnd(turn);
    expect(bench.journal.messageText).toBe('{"outcome":"selected","optionId":"no"}');
  }
});

test("a person is asked, and the answer is in the journal before the agent receives it", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "ask", permission_timeout_s: 90 * 86_400 });
  const turn = await bench.prompt("ask edit");
  const request = await waitForRequest(bench);
  expect(Date.parse(request.expires_at ?? "") - Date.now()).toBeGreaterThan(20 * 86_400_000);
  const { permission_id } = request;
  await expect(bench.host.answerPermission({ permission_id, option_id: "never", by: "ann" })).rejects.toMatchObject({
    code: "bad_request",
  });
  await expect(bench.host.answerPermission({ permission_id: "p-unknown", by: "ann" })).rejects.toMatchObject({
    code: "permission_request_not_found",
  });
  await bench.host.answerPermission({ permission_id, option_id: "always", by: "ann" });
  expect(bench.journal.getEvents("permission").at(-1)).toEqual({
    kind: "permission",
    permission_id,
    status: "answered",
    option_id: "always",
    by: "ann",
  });
  await expect(bench.host.answerPermission({ permission_id, option_id: "no", by: "bob" })).rejects.toMatchObject({
    code: "permission_request_closed",
  });
  await bench.waitForEnd(turn);
  const kinds = bench.journal.records.map(({ data }) => data.kind);
  expect(kinds.lastIndexOf("permission")).toBeLessThan(kinds.indexOf("message"));
  expect(bench.journal.messageText).toBe('{"outcome":"selected","optionId":"always"}');
});

test("an answer without an option rejects the request", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "ask" });
  const turn = await bench.prompt("ask edit");
  const { permission_id } = await waitForRequest(bench);
  await bench.host.answerPermission({ permission_id, by: "ann" });
  await bench.waitForEnd(turn);
  expect(bench.journal.messageText).toBe('{"outcome":"selected","optionId":"no"}');
});

test("an unanswered request is rejected after its timeout, and the idle clock is stopped while it waits", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "ask", permission_timeout_s: 0.6 });
  const end = await bench.runTurn("ask edit", { idle_timeout_s: 0.3 });
  expect(end).toMatchObject({ status: "ended", stop_reason: "end_turn" });
  expect(bench.journal.getEvents("permission").at(-1)).toMatchObject({ status: "timed_out", option_id: "no" });
  expect(bench.journal.messageText).toBe('{"outcome":"selected","optionId":"no"}');
  const { permission_id } = await waitForRequest(bench);
  await expect(bench.host.answerPermission({ permission_id, by: "ann" })).rejects.toMatchObject({
    code: "permission_request_closed",
    message: expect.stringContaining("timed out"),
  });
});

test("cancelling the turn cancels its open requests", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "ask", permission_timeout_s: 60 });
  const turn = await bench.prompt("ask edit");
  await waitForRequest(bench);
  await bench.host.cancel(turn);
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.getEvents("permission").at(-1)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.messageText).toBe('{"outcome":"cancelled"}');
});

test("of a flood of requests, a hundred are asked and the others are rejected", async () => {
  await using bench = await Bench.open();
  await bench.start("plain", { permission_policy: "ask", permission_timeout_s: 60 });
  expect(await bench.runTurn("permissionFlood 180")).toMatchObject({ stop_reason: "end_turn" });
  expect(bench.journal.messageText).toBe("80 cancelled");
  expect(bench.journal.getEvents("permission").filter(({ status }) => status === "asked")).toHaveLength(100);
  expect(bench.journal.getEvents("permission").filter(({ status }) => status === "cancelled")).toHaveLength(100);
  expect(bench.journal.getEvents("notice")).toHaveLength(1);
});
