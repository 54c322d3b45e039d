import type { EventDataOf } from "@wharf/contract";

/** Tool calls remembered at once; beyond, the oldest are forgotten. */
const maxRemembered = 10_000;
const closed = new Set(["completed", "failed", "cancelled"]);

/** What is known of a run's tool calls, by id: whether one is open, and of what kind it is. */
export class ToolCalls {
  readonly #known = new Map<string, { open: boolean; kind: string | undefined }>();

  note(call: EventDataOf<"tool_call">): void {
    const before = this.#known.get(call.tool_call_id);
    this.#known.delete(call.tool_call_id);
    this.#known.set(call.tool_call_id, {
      open: call.status === undefined ? (before?.open ?? true) : !closed.has(call.status),
      kind: call.tool_kind ?? before?.kind,
    });
    const oldest = this.#known.size > maxRemembered ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  kindOf(id: string): string | undefined {
    return this.#known.get(id)?.kind;
  }

  /** Ends what the agent left open and says what was ended. */
  closeAll(status: "completed" | "failed"): EventDataOf<"tool_call">[] {
    const open = [...this.#known].filter(([, call]) => call.open).map(([id]) => id);
    return open.map((tool_call_id) => {
      const event: EventDataOf<"tool_call"> = { kind: "tool_call", tool_call_id, status };
      this.note(event);
      return event;
    });
  }
}
