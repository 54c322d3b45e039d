import type { Event, EventDataByKind } from "@wharf/contract";

export interface UsageTotals {
  readonly cpu_seconds?: number;
  readonly memory_peak_bytes?: number;
  readonly model_requests: number;
  readonly input_tokens?: number;
  readonly output_tokens?: number;
}

/** A run with one of these statuses reports nothing more. */
const finalStatuses: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "STOPPED"]);

/**
 * Tracks one turn in the task's log: open → ended, and then settled once its branch is pushed (or
 * cannot be) and its usage is reported, or its run is over. A runner's figures cover its whole
 * life, not the turn alone.
 */
export class TurnProgress {
  readonly #turnId: string;
  #runId: string | undefined;
  #end: EventDataByKind<"turn"> | undefined;
  #commit: EventDataByKind<"commit"> | undefined;
  #push: EventDataByKind<"push"> | undefined;
  #failure: EventDataByKind<"failure"> | undefined;
  #exit: EventDataByKind<"agent_exit"> | undefined;
  #measured: { cpu_seconds?: number; memory_peak_bytes?: number } = {};
  #measuredAfterEnd = false;
  #runIsOver = false;
  #requests = 0;
  #tokens: { input?: number; output?: number } = {};

  constructor(turnId: string) {
    this.#turnId = turnId;
  }

  get end(): EventDataByKind<"turn"> | undefined {
    return this.#end;
  }
  get runId(): string | undefined {
    return this.#runId;
  }
  get commit(): EventDataByKind<"commit"> | undefined {
    return this.#commit;
  }
  /** Returns the push of the newest commit. */
  get push(): EventDataByKind<"push"> | undefined {
    return this.#push;
  }
  get failure(): EventDataByKind<"failure"> | undefined {
    return this.#failure;
  }
  /** Returns the exit of the agent's process, if it came in the middle of the turn. */
  get exit(): EventDataByKind<"agent_exit"> | undefined {
    return this.#exit;
  }
  get waitsForPush(): boolean {
    return this.#commit !== undefined && this.#push === undefined;
  }
  get isSettled(): boolean {
    return this.#end !== undefined && !this.waitsForPush && (this.#measuredAfterEnd || this.#runIsOver);
  }

  get used(): UsageTotals {
    const { input, output } = this.#tokens;
    return {
      ...this.#measured,
      model_requests: this.#requests,
      ...(input !== undefined && { input_tokens: input }),
      ...(output !== undefined && { output_tokens: output }),
    };
  }

  update({ data, agent_id }: Event): void {
    if (data.kind === "turn" && data.turn_id === this.#turnId) {
      this.#runId ??= agent_id;
      if (data.status === "ended" || data.status === "cancelled" || data.status === "interrupted") this.#end ??= data;
    }
    if (data.kind === "state" && data.entity === "run" && agent_id === this.#runId && finalStatuses.has(data.to))
      this.#runIsOver = true;
    if (data.kind === "commit") {
      this.#commit = data;
      this.#push = undefined;
    }
    if (data.kind === "push" && this.#commit) this.#push = data.status === "pending" ? undefined : data;
    if (data.kind === "agent_exit" && this.#end === undefined) this.#exit = data;
    if (data.kind === "failure") this.#failure = data;
    if (data.kind === "usage") this.#addUsage(data);
  }

  #addUsage(data: EventDataByKind<"usage">): void {
    const { source, cpu_seconds, memory_peak_bytes, model_requests = 0, input_tokens, output_tokens } = data;
    if (source === "backend") {
      this.#measured = {
        ...(cpu_seconds !== undefined && { cpu_seconds }),
        ...(memory_peak_bytes !== undefined && { memory_peak_bytes }),
      };
      this.#measuredAfterEnd = this.#end !== undefined;
    }
    if (source !== "gateway") return;
    this.#requests += model_requests;
    if (input_tokens !== undefined) this.#tokens.input = (this.#tokens.input ?? 0) + input_tokens;
    if (output_tokens !== undefined) this.#tokens.output = (this.#tokens.output ?? 0) + output_tokens;
  }
}
