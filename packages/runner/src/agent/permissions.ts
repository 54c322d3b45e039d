import { randomUUID } from "node:crypto";
import { WharfError, type EventDataOf, type PermissionPolicy } from "@wharf/contract";
import { Budget } from "./clip.ts";
import { present } from "./present.ts";
import type { Recorder } from "./recorder.ts";
import { longestTimer } from "./timing.ts";

/** Requests that may wait for a person at once; an agent that asks more gets `cancelled` for the rest. */
const maxOpen = 100;
/** Settled requests remembered, so that a late answer is told apart from a wrong one. */
const maxSettled = 1_000;
/** What `allow-edits` lets an agent do unasked. */
const editKinds = new Set(["edit", "delete", "move", "read", "search", "think"]);

interface Option {
  optionId: string;
  name: string;
  kind: string;
}
interface Request {
  options: readonly Option[];
  title?: string;
  toolCallId?: string;
  toolKind?: string;
}
/** The option that was chosen; none means that the request is cancelled. */
type Choice = string | undefined;
type Settled = { status: "answered" | "timed_out" | "cancelled"; optionId?: string; by?: string };
interface Waiting {
  request: Request;
  settle(settled: Settled): Promise<void>;
}

/**
 * Permission requests of an agent. Each is asked → answered (by a person or the policy) | timed_out | cancelled, once;
 * the event of a step is in the journal before the agent hears of it.
 */
export class Permissions {
  readonly #recorder: Recorder;
  readonly #policy: PermissionPolicy;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<string, Waiting>();
  readonly #settled = new Map<string, Settled["status"]>();
  #flooded = false;

  constructor(options: { recorder: Recorder; policy: PermissionPolicy; timeoutMs: number }) {
    this.#recorder = options.recorder;
    this.#policy = options.policy;
    this.#timeoutMs = Math.min(options.timeoutMs, longestTimer);
  }

  get open(): number {
    return this.#waiting.size;
  }

  async request(request: Request, signal: AbortSignal): Promise<Choice> {
    // For this once where that is offered: "always" changes the agent's own mode, which some agents refuse.
    const allowed =
      request.options.find(({ kind }) => kind === "allow_once") ??
      request.options.find(({ kind }) => kind.startsWith("allow"));
    const unasked =
      this.#policy === "allow-all" || (this.#policy === "allow-edits" && editKinds.has(request.toolKind ?? ""));
    if (unasked && allowed) {
      const told = {
        ...describe(request, randomUUID()),
        status: "answered" as const,
        option_id: allowed.optionId,
        by: "policy",
      };
      await this.#recorder.record(told);
      return allowed.optionId;
    }
    if (this.#waiting.size >= maxOpen) {
      if (!this.#flooded)
        await this.#recorder.record({
          kind: "notice",
          message: `The agent asks for more than ${maxOpen} permissions at once; the rest is refused.`,
        });
      this.#flooded = true;
      return undefined;
    }
    return await this.#ask(request, signal);
  }

  /** Resolves when the answer is in the journal. */
  async answer(input: { permission_id: string; option_id?: string; by: string }): Promise<void> {
    const { permission_id, option_id, by } = input;
    const waiting = this.#waiting.get(permission_id);
    if (!waiting) {
      const status = this.#settled.get(permission_id);
      if (!status) throw new WharfError("not_found", { what: "permission request", id: permission_id.slice(0, 100) });
      throw new WharfError("conflict", { what: "permission request", from: status, to: "answered" });
    }
    const { options } = waiting.request;
    if (option_id !== undefined && !options.some(({ optionId }) => optionId === option_id)) {
      throw new WharfError("bad_request", {
        issues: [{ path: "option_id", message: `is not one of ${options.map((o) => o.optionId).join(", ")}` }],
      });
    }
    const optionId = option_id ?? rejection(options);
    await waiting.settle({ status: "answered", by, ...(optionId !== undefined && { optionId }) });
  }

  async cancelAll(): Promise<void> {
    await Promise.all([...this.#waiting.values()].map(({ settle }) => settle({ status: "cancelled" })));
  }

  #ask(request: Request, signal: AbortSignal): Promise<Choice> {
    const id = randomUUID();
    const expires = new Date(Date.now() + this.#timeoutMs).toISOString();
    return new Promise((resolve) => {
      const cancel = (): void => void settle({ status: "cancelled" });
      const settle = async (settled: Settled): Promise<void> => {
        if (!this.#waiting.delete(id)) return;
        clearTimeout(timer);
        signal.removeEventListener("abort", cancel);
        this.#remember(id, settled.status);
        const { status, optionId: option_id, by } = settled;
        await this.#recorder.record(present({ kind: "permission" as const, permission_id: id, status, option_id, by }));
        resolve(option_id);
      };
      const timer = setTimeout(() => {
        const optionId = rejection(request.options);
        void settle({ status: "timed_out", ...(optionId !== undefined && { optionId }) });
      }, this.#timeoutMs);
      signal.addEventListener("abort", cancel, { once: true });
      this.#waiting.set(id, { request, settle });
      void this.#recorder.record({ ...describe(request, id), status: "asked", expires_at: expires });
      if (signal.aborted) cancel();
    });
  }

  #remember(id: string, status: Settled["status"]): void {
    this.#settled.set(id, status);
    const oldest = this.#settled.size > maxSettled ? this.#settled.keys().next().value : undefined;
    if (oldest !== undefined) this.#settled.delete(oldest);
  }
}

const rejection = (options: readonly Option[]): Choice =>
  options.find(({ kind }) => kind.startsWith("reject"))?.optionId;

function describe(request: Request, permission_id: string): Omit<EventDataOf<"permission">, "status"> {
  const budget = new Budget();
  return present({
    kind: "permission" as const,
    permission_id,
    title: request.title === undefined ? undefined : budget.text(request.title, 4_096),
    tool_call_id: request.toolCallId,
    options: request.options.map(({ optionId, name, kind }) => ({
      option_id: optionId,
      name: budget.text(name, 1_024),
      option_kind: kind.slice(0, 100),
    })),
  });
}
