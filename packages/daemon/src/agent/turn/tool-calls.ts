import type { EventDataByKind } from "@wharf/contract";

/** At most this many tool calls are remembered; beyond, the oldest are forgotten. */
const maxRemembered = 10_000;
const closedStatuses = new Set(["completed", "failed", "cancelled"]);

/** ToolCalls records a run's tool calls by id: their kind, and whether they are open. */
export class ToolCalls {
  readonly #calls = new Map<string, { open: boolean; kind: string | undefined }>();

  update(call: EventDataByKind<"tool_call">): void {
    const previous = this.#calls.get(call.tool_call_id);
    this.#calls.delete(call.tool_call_id);
    this.#calls.set(call.tool_call_id, {
      open: call.status === undefined ? (previous?.open ?? true) : !closedStatuses.has(call.status),
      kind: call.tool_kind ?? previous?.kind,
    });
    const oldest = this.#calls.size > maxRemembered ? this.#calls.keys().next().value : undefined;
    if (oldest !== undefined) this.#calls.delete(oldest);
  }

  getKind(id: string): string | undefined {
    return this.#calls.get(id)?.kind;
  }

  /** Ends the calls that the agent left open and returns their events. */
  closeAll(status: "completed" | "failed"): EventDataByKind<"tool_call">[] {
    const openIds = [...this.#calls].filter(([, call]) => call.open).map(([id]) => id);
    return openIds.map((toolCallId) => {
      const event: EventDataByKind<"tool_call"> = { kind: "tool_call", tool_call_id: toolCallId, status };
      this.update(event);
      return event;
    });
  }
}
