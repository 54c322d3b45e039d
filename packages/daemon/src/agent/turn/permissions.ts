import { randomUUID } from "node:crypto";
import { WharfError, type EventDataByKind, type PermissionPolicy } from "@wharf/contract";
import { ByteBudget } from "../events/byte-budget.ts";
import type { Recorder } from "../events/recorder.ts";
import { omitUndefined } from "../omit-undefined.ts";
import { maxTimerMs } from "../timing.ts";

/**
 * At most this many requests wait for a person at once; further requests are answered with
 * `cancelled`.
 */
const maxOpen = 100;
/** Settled requests are remembered, to distinguish a late answer from a wrong one. */
const maxSettled = 1_000;
/** `allow-edits` allows these kinds without a prompt. */
const editKinds = new Set(["edit", "delete", "move", "read", "search", "think"]);

interface PermissionOption {
  optionId: string;
  name: string;
  kind: string;
}
interface PermissionRequest {
  options: readonly PermissionOption[];
  title?: string;
  toolCallId?: string;
  toolKind?: string;
}
/** The person or policy chose this option; undefined cancels the request. */
type ChosenOptionId = string | undefined;
type Settlement = { status: "answered" | "timed_out" | "cancelled"; optionId?: string; by?: string };
interface PendingRequest {
  request: PermissionRequest;
  settle(settled: Settlement): Promise<void>;
}

/**
 * Permissions tracks an agent's permission requests. Each request is asked → answered (by a person
 * or the policy) | timed_out | cancelled, once. The event of a step is in the journal before the
 * agent gets the answer.
 */
export class Permissions {
  readonly #recorder: Recorder;
  readonly #policy: PermissionPolicy;
  readonly #timeoutMs: number;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #settled = new Map<string, Settlement["status"]>();
  #flooded = false;

  constructor(options: { recorder: Recorder; policy: PermissionPolicy; timeoutMs: number }) {
    this.#recorder = options.recorder;
    this.#policy = options.policy;
    this.#timeoutMs = Math.min(options.timeoutMs, maxTimerMs);
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  async request(request: PermissionRequest, signal: AbortSignal): Promise<ChosenOptionId> {
    // Prefer a single permission if offered: "always" changes the agent's own mode, which some
    // agents refuse.
    const allowed =
      request.options.find(({ kind }) => kind === "allow_once") ??
      request.options.find(({ kind }) => kind.startsWith("allow"));
    const isAllowedByPolicy =
      this.#policy === "allow-all" || (this.#policy === "allow-edits" && editKinds.has(request.toolKind ?? ""));
    if (isAllowedByPolicy && allowed) {
      const policyAnswer = {
        ...toPermissionEvent(request, randomUUID()),
        status: "answered" as const,
        option_id: allowed.optionId,
        by: "policy",
      };
      await this.#recorder.record(policyAnswer);
      return allowed.optionId;
    }
    if (this.#pending.size >= maxOpen) {
      if (!this.#flooded)
        await this.#recorder.record({
          kind: "notice",
          message: `The agent requested more than ${maxOpen} permissions at once; Wharf rejects the others.`,
        });
      this.#flooded = true;
      return undefined;
    }
    return await this.#askPerson(request, signal);
  }

  /** Resolves when the answer is in the journal. */
  async answer(input: { permission_id: string; option_id?: string; by: string }): Promise<void> {
    const { permission_id, option_id, by: answeredBy } = input;
    const pending = this.#pending.get(permission_id);
    if (!pending) {
      const status = this.#settled.get(permission_id);
      if (!status) throw new WharfError("permission_request_not_found", { id: permission_id.slice(0, 100) });
      throw new WharfError("permission_request_closed", { state: status });
    }
    const { options } = pending.request;
    if (option_id !== undefined && !options.some(({ optionId }) => optionId === option_id)) {
      throw new WharfError("bad_request", {
        issues: [{ path: "option_id", message: `is not one of ${options.map((o) => o.optionId).join(", ")}` }],
      });
    }
    const optionId = option_id ?? getRejection(options);
    await pending.settle({ status: "answered", by: answeredBy, ...(optionId !== undefined && { optionId }) });
  }

  async cancelAll(): Promise<void> {
    await Promise.all([...this.#pending.values()].map(({ settle }) => settle({ status: "cancelled" })));
  }

  #askPerson(request: PermissionRequest, signal: AbortSignal): Promise<ChosenOptionId> {
    const id = randomUUID();
    const expires = new Date(Date.now() + this.#timeoutMs).toISOString();
    return new Promise((resolve) => {
      const cancelRequest = (): void => void settle({ status: "cancelled" });
      const settle = async (settled: Settlement): Promise<void> => {
        if (!this.#pending.delete(id)) return;
        clearTimeout(timer);
        signal.removeEventListener("abort", cancelRequest);
        this.#setSettled(id, settled.status);
        const { status, optionId, by: answeredBy } = settled;
        await this.#recorder.record(
          omitUndefined({
            kind: "permission" as const,
            permission_id: id,
            status,
            option_id: optionId,
            by: answeredBy,
          }),
        );
        resolve(optionId);
      };
      const timer = setTimeout(() => {
        const optionId = getRejection(request.options);
        void settle({ status: "timed_out", ...(optionId !== undefined && { optionId }) });
      }, this.#timeoutMs);
      signal.addEventListener("abort", cancelRequest, { once: true });
      this.#pending.set(id, { request, settle });
      void this.#recorder.record({ ...toPermissionEvent(request, id), status: "asked", expires_at: expires });
      if (signal.aborted) cancelRequest();
    });
  }

  #setSettled(id: string, status: Settlement["status"]): void {
    this.#settled.set(id, status);
    const oldest = this.#settled.size > maxSettled ? this.#settled.keys().next().value : undefined;
    if (oldest !== undefined) this.#settled.delete(oldest);
  }
}

const getRejection = (options: readonly PermissionOption[]): ChosenOptionId =>
  options.find(({ kind }) => kind.startsWith("reject"))?.optionId;

function toPermissionEvent(
  request: PermissionRequest,
  permissionId: string,
): Omit<EventDataByKind<"permission">, "status"> {
  const budget = new ByteBudget();
  return omitUndefined({
    kind: "permission" as const,
    permission_id: permissionId,
    title: request.title === undefined ? undefined : budget.clipText(request.title, 4_096),
    tool_call_id: request.toolCallId,
    options: request.options.map(({ optionId, name, kind }) => ({
      option_id: optionId,
      name: budget.clipText(name, 1_024),
      option_kind: kind.slice(0, 100),
    })),
  });
}
