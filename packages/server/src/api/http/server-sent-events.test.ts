import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { acceptsEvents, getEventOffset, toServerSentEvents } from "./server-sent-events.ts";

const comment = ":\n\n";

test("lines become events, whose ids are the offsets after them", async () => {
  const lines = new PassThrough();
  lines.end(
    [
      { type: "stdout", data: "a\r\nb", offset: 4, next: 8 },
      { type: "gap", from: 8, to: 20 },
      { type: "typist", viewer_id: null },
      { type: "detached", offset: 30, reason: "slow" },
    ]
      .map((line) => `\n${JSON.stringify(line)}\n`)
      .join(""),
  );
  expect(await text(toServerSentEvents(lines))).toBe(
    [
      comment,
      'id: 8\ndata: {"type":"stdout","data":"a\\r\\nb","offset":4,"next":8}\n\n',
      'id: 20\ndata: {"type":"gap","from":8,"to":20}\n\n',
      'data: {"type":"typist","viewer_id":null}\n\n',
      'id: 30\ndata: {"type":"detached","offset":30,"reason":"slow"}\n\n',
    ].join(""),
  );
});

test("a runner cannot forge events, and lines that are cut off end in an error", async () => {
  const hostile = new PassThrough();
  hostile.end('{"a":\r1}\r\n');
  expect(await text(toServerSentEvents(hostile))).toBe(`${comment}data: {"a":1}\n\n`);
  const invalid = new PassThrough();
  invalid.end("data: 1\n");
  await expect(text(toServerSentEvents(invalid))).rejects.toThrow(SyntaxError);
  const broken = new PassThrough();
  const read = text(toServerSentEvents(broken));
  broken.destroy(new Error("the wire is gone"));
  await expect(read).rejects.toThrow("the wire is gone");
});

test("clients choose events with a header, and continue where they were", () => {
  expect(acceptsEvents({ headers: { accept: "text/event-stream" } })).toBe(true);
  expect(acceptsEvents({ headers: { accept: "application/x-ndjson, */*" } })).toBe(false);
  expect(acceptsEvents({ headers: {} })).toBe(false);
  expect(getEventOffset({ headers: { "last-event-id": "42" } })).toEqual({ after: 42 });
  expect(getEventOffset({ headers: { "last-event-id": "" } })).toEqual({});
  expect(() => getEventOffset({ headers: { "last-event-id": "-1" } })).toThrow(
    expect.objectContaining({ code: "bad_request" }),
  );
});

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

test("a comment every 30 s keeps a quiet stream open, however often the runner shows that it is alive", async () => {
  const lines = new PassThrough();
  const events = toServerSentEvents(lines);
  let seen = "";
  events.on("data", (chunk: Buffer) => void (seen += chunk.toString()));
  for (let seconds = 0; seconds < 60; seconds += 5) {
    await vi.advanceTimersByTimeAsync(5_000);
    lines.write("\n");
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(seen).toBe(comment.repeat(3));
  lines.end('{"type":"stdout"}\n');
  await vi.advanceTimersByTimeAsync(1);
  expect(seen).toBe(`${comment.repeat(3)}data: {"type":"stdout"}\n\n`);
});
