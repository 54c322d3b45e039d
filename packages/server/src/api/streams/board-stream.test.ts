import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Envelope } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { Boards } from "../../tasks/index.ts";
import { openStreams } from "./fixtures.ts";

const boardPath = (id: string) => `/../boards/${id}/stream`;
const failure = { data: { kind: "failure", code: "x", message: "it failed" } } as const;

/** Streams with two boards that have a task each. */
async function openBoards() {
  const s = await openStreams();
  const other = await new Boards(s.db).create(s.owner, { name: "other", description: "" });
  const input = { title: "a task", description: "do it", priority: 0 };
  const tasks = [await s.newTask(), await s.tasks.create(s.owner.user_id, other.id, input)] as const;
  await expect.poll(() => s.log.published.findStart(undefined)).toBe(2);
  const report = (n: 0 | 1) => s.log.write(({ append }) => append(tasks[n].id, [failure]));
  const send = async (viewer: Awaited<ReturnType<typeof s.open>>, message: object) =>
    viewer.socket.send(JSON.stringify(message));
  return { ...s, board_id: s.owner.default_board_id, other, report, send, boardTasks: tasks };
}

const getEvents = (messages: readonly unknown[]) =>
  (messages as readonly Partial<Envelope>[]).flatMap(({ id, data }): [string, string | undefined][] =>
    id === undefined ? [] : [[id, data?.task_id]],
  );

describe("the stream of a board", () => {
  test("has the events of its tasks alone, from a cursor on and then live", async () => {
    const s = await openBoards();
    const viewer = await s.open(`${boardPath(s.board_id)}?after=0`);
    await viewer.receive(2);
    await s.report(1);
    await s.report(0);
    const messages = await viewer.receive(3);
    expect(messages[0]).toEqual({ type: "subscribed", cursor: "0" });
    const [task] = s.boardTasks;
    expect(getEvents(messages)).toEqual([
      ["1", task.id],
      ["4", task.id],
    ]);
  });

  test("answers a heartbeat, and anything else with what it accepts", async () => {
    const s = await openBoards();
    const viewer = await s.open(boardPath(s.board_id));
    for (const text of ['{"type":"heartbeat"}', "[[[", '{"type":"control","action":"pause"}']) viewer.socket.send(text);
    const messages = await viewer.receive(4);
    expect(messages.map((message) => (message as { type?: string }).type)).toEqual([
      "subscribed",
      "heartbeat",
      "error",
      "error",
    ]);
    expect(messages[2]?.data.code).toBe("bad_request");
  });

  test("of an unknown board, or with a wrong cursor, is refused", async () => {
    const s = await openBoards();
    const refuse = async (address: string) => (await s.refusal(`/api/v1/boards/${address}`)).problem?.code;
    expect(await refuse(`${randomUUID()}/stream`)).toBe("board_not_found");
    expect(await refuse("x/stream")).toBe("bad_request");
    expect(await refuse(`${s.board_id}/stream?after=-1`)).toBe("bad_request");
    expect(await refuse(`${s.board_id}/stream?after=99`)).toBe("cursor_expired");
  });
});

describe("one connection", () => {
  // K-066 K-067
  test("follows boards and tasks, and no longer those that it unsubscribes from", async () => {
    const s = await openBoards();
    const [task, otherTask] = s.boardTasks;
    const viewer = await s.open("/stream?format=envelope");
    await s.send(viewer, { action: "subscribe", board_ids: [s.board_id, s.other.id], task_ids: [task.id] });
    await viewer.receive(1);
    await s.report(1);
    await viewer.receive(2);
    await s.report(0);
    const messages = await viewer.receive(4);
    expect(messages[0]).toEqual({ type: "subscribed", cursor: "2" });
    expect(new Map(getEvents(messages))).toEqual(
      new Map([
        ["3", otherTask.id],
        ["4", task.id],
        [`${task.id}:2`, task.id],
      ]),
    );
    await s.send(viewer, { action: "unsubscribe", board_ids: [s.board_id], task_ids: [task.id] });
    await s.send(viewer, { type: "heartbeat" });
    await viewer.receive(5);
    await s.report(0);
    await s.report(1);
    expect(getEvents(await viewer.receive(6)).at(-1)).toEqual(["6", otherTask.id]);
  });

  test("follows everything that its user sees, also boards that are created later", async () => {
    const s = await openBoards();
    const viewer = await s.open("/stream");
    await s.send(viewer, { action: "subscribe", everything: true, cursor: "1" });
    await viewer.receive(2);
    const later = await new Boards(s.db).create(s.owner, { name: "later", description: "" });
    const input = { title: "a task", description: "do it", priority: 0 };
    const laterTask = await s.tasks.create(s.owner.user_id, later.id, input);
    expect(getEvents(await viewer.receive(3))).toEqual([
      ["2", s.boardTasks[1].id],
      ["3", laterTask.id],
    ]);
  });

  test("gets the reason for each subscription that is refused, and keeps the others", async () => {
    const s = await openBoards();
    const viewer = await s.open("/stream");
    const [unknown] = [randomUUID()];
    await s.send(viewer, { action: "subscribe", board_ids: [unknown, s.board_id] });
    await s.send(viewer, { action: "subscribe", everything: true });
    await s.send(viewer, { action: "subscribe", board_ids: Array.from({ length: 101 }, () => randomUUID()) });
    await s.send(viewer, { action: "subscribe", board_ids: Array.from({ length: 100 }, () => randomUUID()) });
    const codes = (await viewer.receive(5)).map((message) => message.data?.code);
    expect(codes).toEqual([undefined, "board_not_found", "bad_request", "bad_request", "bad_request"]);
    await s.report(0);
    expect(getEvents(await viewer.receive(6))).toEqual([["3", s.boardTasks[0].id]]);
  });

  test("is closed with a reason if a message is too large", async () => {
    const s = await openBoards();
    const viewer = await s.open("/stream");
    viewer.socket.send(Buffer.alloc(300_000, "["));
    const [code, reason] = await once(viewer.socket, "close");
    expect([code, String(reason)]).toEqual([1009, "a message may have at most 256 KiB"]);
  });
});
