import { expect, test } from "vitest";
import { Recorder } from "../events/recorder.ts";
import { MemoryJournal } from "../fixtures/memory-journal.ts";
import { ToolCalls } from "../turn/tool-calls.ts";
import { CallOutputs } from "./call-outputs.ts";
import { SessionUpdates } from "./session-updates.ts";

const createUpdate = (text: string) => ({
  sessionId: "s",
  update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } },
});

test("updates that precede the session are kept up to a limit, and a notice names the dropped rest", async () => {
  const journal = new MemoryJournal();
  const recorder = new Recorder(journal, "run-1", 10);
  const outputs = new CallOutputs(() => undefined);
  const updates = new SessionUpdates({ recorder, toolCalls: new ToolCalls(), outputs });
  for (let i = 0; i < 20; i++) await updates.take(createUpdate("x".repeat(200_000)));
  await updates.setSession("s");
  await recorder.flush();
  expect(journal.messageText).toHaveLength(1_000_000);
  expect(journal.getEvents("notice")).toEqual([
    { kind: "notice", message: expect.stringContaining("too many updates before its session was open") },
  ]);
});
