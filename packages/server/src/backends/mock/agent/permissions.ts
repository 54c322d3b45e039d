import { randomUUID } from "node:crypto";
import { type AgentStart, type EventDataOf, WharfError } from "@wharf/contract";

export type Record = (data: EventDataOf<"permission">) => void;

const options = [
  { option_id: "allow", name: "Allow", option_kind: "allow_once" },
  { option_id: "reject", name: "Reject", option_kind: "reject_once" },
];

interface Waiting {
  settle(status: "answered" | "timed_out" | "cancelled", optionId?: string, by?: string): void;
}

/** What the scripted agent asks of people. Each request is settled once, and by whom stands in the journal. */
export class MockPermissions {
  readonly #start: Pick<AgentStart, "permission_policy" | "permission_timeout_s">;
  readonly #record: Record;
  readonly #waiting = new Map<string, Waiting>();
  readonly #settled = new Map<string, string>();

  constructor(start: Pick<AgentStart, "permission_policy" | "permission_timeout_s">, record: Record) {
    this.#start = start;
    this.#record = record;
  }

  get open(): number {
    return this.#waiting.size;
  }

  /** Whether it may. */
  ask(request: { title: string; kind: "edit" | "execute"; toolCallId: string }, signal: AbortSignal): Promise<boolean> {
    const { permission_policy: policy, permission_timeout_s: timeout } = this.#start;
    const permission_id = randomUUID();
    const asked = {
      kind: "permission" as const,
      permission_id,
      title: request.title,
      tool_call_id: request.toolCallId,
      options,
    };
    if (policy === "allow-all" || (policy === "allow-edits" && request.kind === "edit")) {
      this.#record({ ...asked, status: "answered", option_id: "allow", by: "policy" });
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const settle: Waiting["settle"] = (status, option_id, by) => {
        if (!this.#waiting.delete(permission_id)) return;
        clearTimeout(timer);
        signal.removeEventListener("abort", cancel);
        this.#settled.set(permission_id, status);
        this.#record({ kind: "permission", permission_id, status, ...(option_id && { option_id }), ...(by && { by }) });
        resolve(option_id === "allow");
      };
      const cancel = () => settle("cancelled");
      const timer = setTimeout(() => settle("timed_out", "reject"), Math.min(timeout * 1000, 2 ** 31 - 1));
      signal.addEventListener("abort", cancel, { once: true });
      this.#waiting.set(permission_id, { settle });
      const expires_at = new Date(Date.now() + timeout * 1000).toISOString();
      this.#record({ ...asked, status: "asked", expires_at });
    });
  }

  answer({
    permission_id,
    option_id,
    by,
  }: {
    permission_id: string;
    option_id?: string | undefined;
    by: string;
  }): void {
    const waiting = this.#waiting.get(permission_id);
    if (!waiting) {
      const status = this.#settled.get(permission_id);
      if (!status) throw new WharfError("not_found", { what: "permission request", id: permission_id });
      throw new WharfError("conflict", { what: "permission request", from: status, to: "answered" });
    }
    if (option_id !== undefined && !options.some((option) => option.option_id === option_id))
      throw new WharfError("bad_request", {
        issues: [{ path: "option_id", message: `is not one of ${options.map((o) => o.option_id).join(", ")}` }],
      });
    waiting.settle("answered", option_id ?? "reject", by);
  }
}
