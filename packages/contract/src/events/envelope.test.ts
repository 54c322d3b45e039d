import { describe, expect, test } from "vitest";
import { Envelope, getEnvelopeType, toLogEnvelope } from "./envelope.ts";
import { type EventData, eventTypeByKind } from "./event.ts";

const getName = (data: EventData) => getEnvelopeType({ type: eventTypeByKind[data.kind], data });
const changeRun = (to: string, from?: string): EventData => ({
  kind: "state",
  entity: "run",
  to,
  ...(from && { from }),
});

describe("an event", () => {
  // K-079 X-013
  test.each<[string, EventData]>([
    ["task.created", { kind: "state", entity: "task", to: "TODO" }],
    ["task.updated", { kind: "update", fields: ["title"], values: { title: "another" } }],
    ["task.state_changed", { kind: "state", entity: "task", from: "TODO", to: "IN_PROGRESS" }],
    ["agent.queued", changeRun("PENDING")],
    ["agent.starting", changeRun("STARTING", "PENDING")],
    ["agent.started", changeRun("RUNNING", "STARTING")],
    ["agent.paused", changeRun("PAUSED", "RUNNING")],
    ["agent.resumed", changeRun("RUNNING", "PAUSED")],
    ["agent.completed", changeRun("COMPLETED", "RUNNING")],
    ["agent.failed", changeRun("FAILED", "RUNNING")],
    ["agent.stopped", changeRun("STOPPED", "RUNNING")],
    ["agent.log", { kind: "output", stream: "stderr", text: "a line" }],
    ["acp.message", { kind: "message", role: "agent", text: "Hello" }],
    ["acp.message", { kind: "state", entity: "runner", to: "READY" }],
  ])("is called %s", (name, data) => {
    expect(getName(data)).toBe(name);
  });

  test("of a printed message is progress only if the message says so", () => {
    const data: EventData = { kind: "report", percent: 40 };
    expect(getEnvelopeType({ type: "progress", data })).toBe("agent.progress");
    expect(getEnvelopeType({ type: "log", data })).toBe("acp.message");
  });

  // K-080
  test("has an id, a type, a source, a time and its data in its envelope", () => {
    const event = {
      seq: 7,
      type: "status" as const,
      timestamp: "2026-11-23T00:00:00.000Z",
      task_id: "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11",
      data: changeRun("RUNNING", "STARTING"),
    };
    const envelope = toLogEnvelope(event);
    expect(Envelope.parse(envelope)).toEqual(envelope);
    expect(envelope).toEqual({
      id: "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11:7",
      type: "agent.started",
      source: "wharf",
      timestamp: "2026-11-23T00:00:00.000Z",
      data: event,
    });
  });
});
