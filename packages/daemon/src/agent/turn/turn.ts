import { WharfError, type EventDataByKind } from "@wharf/contract";
import { describeMemoryLimit, MemoryWatch } from "../../std/memory-watch.ts";
import type { AgentDriver, PromptResult } from "../agent-driver.ts";
import type { Recorder } from "../events/recorder.ts";
import { omitUndefined } from "../omit-undefined.ts";
import { IdleClock } from "../process/idle-clock.ts";
import type { Timing } from "../timing.ts";
import type { AgentHostOptions, AgentPromptInput } from "../types.ts";
import type { Permissions } from "./permissions.ts";
import type { ToolCalls } from "./tool-calls.ts";
import { endTurn } from "./turn-end.ts";
import type { TurnLog } from "./turn-log.ts";

/**
 * A turn is one prompt and all that the agent does until it answers. The turn's key is on disk as
 * running before the turn starts.
 *
 *   working ── the agent answers ─────────────────────────────────────────► closing
 *      │   └── the agent refuses the prompt, or its process has exited ───► closing
 *      │ cancel(), or no sign of life for the idle time
 *      ▼
 *   ending ─── the agent answers, or its process has exited ──────────────► closing
 *      │ no answer within the grace: its processes are killed
 *      ▼
 *   killed ─── its process has exited ────────────────────────────────────► closing
 *
 *   closing: permission requests are cancelled, open tool calls are closed, the work is committed.
 *   Then the phase is `told`: the last event gets into the journal (turn-end.ts), the turn is over,
 *   and its promise resolves.
 *
 * The idle and grace clocks pause while a person is asked, while the journal is full and while the
 * agent is paused: none of these is the agent's fault.
 */
export class Turn {
  readonly id: string;
  /** Resolves when the whole turn is on disk. Never rejects. */
  readonly over: Promise<void>;
  readonly #parts: TurnParts;
  #phase: "working" | "ending" | "killed" | "closing" | "told" = "working";
  #endReason: { cancelled: string } | { timedOut: true } | undefined;
  #idle: IdleClock | undefined;
  #grace: IdleClock | undefined;

  constructor(parts: TurnParts) {
    this.id = parts.input.turn_id;
    this.#parts = parts;
    this.over = this.#run();
  }

  /** The agent may ask a person only while the turn works, not once it has to end. */
  get working(): boolean {
    return this.#phase === "working";
  }

  /** The turn's last event may already be visible: a reader may send the next prompt at once. */
  get told(): boolean {
    return this.#phase === "told";
  }

  /** Resets the idle clock after a sign of life. */
  touch(): void {
    this.#idle?.reset();
  }

  cancel(reason: string): void {
    this.#endReason ??= { cancelled: reason };
    this.#askToEnd();
  }

  async #run(): Promise<void> {
    const { driver, recorder, input, permissions } = this.#parts;
    await recorder.record({ kind: "turn", turn_id: this.id, status: "started" });
    if (this.#endReason) return await this.#close({ status: "cancelled", stop_reason: "cancelled" });
    using idle = new IdleClock({
      limitMs: input.idle_timeout_s * 1_000,
      isPaused: () => permissions.pendingCount > 0 || recorder.isWaiting || this.#parts.paused(),
      onIdle: () => this.#timeOut(),
    });
    this.#idle = idle;
    const memory = new MemoryWatch();
    const result = await driver.prompt(input);
    idle[Symbol.dispose]();
    this.#grace?.[Symbol.dispose]();
    this.#phase = "closing";
    // If the agent has exited, its failure already reports the kills.
    if (result.kind !== "exited") await this.#recordKills(memory.kills);
    await this.#close(await this.#getOutcome(result));
  }

  /** Notes that the agent survived, but a command that it or a person started did not. */
  async #recordKills(kills: number): Promise<void> {
    if (kills === 0) return;
    const processes = kills === 1 ? "a process" : `${kills} processes`;
    const message = `The runner reached ${describeMemoryLimit()} during this turn: the kernel killed ${processes} in it.`;
    await this.#parts.recorder.record({ kind: "notice", message });
  }

  #timeOut(): void {
    if (this.#phase !== "working") return;
    this.#endReason = { timedOut: true };
    const { code, message, next } = new WharfError("agent_timeout", {
      after_s: this.#parts.input.idle_timeout_s,
      waiting_for: "the prompt",
    });
    void this.#parts.recorder.record({ kind: "failure", code, message, next });
    this.#askToEnd();
  }

  #askToEnd(): void {
    // Before the agent has the prompt there is nothing to end; #run checks the reason.
    if (this.#phase !== "working" || !this.#idle) return;
    this.#phase = "ending";
    const { driver, permissions, recorder, timing } = this.#parts;
    this.#idle[Symbol.dispose]();
    void permissions.cancelAll();
    driver.cancel();
    this.#grace = new IdleClock({
      limitMs: timing.cancelGraceMs,
      isPaused: () => recorder.isWaiting || this.#parts.paused(),
      onIdle: () => {
        this.#phase = "killed";
        driver.kill("it did not end its turn");
      },
    });
  }

  async #getOutcome(result: PromptResult): Promise<Outcome> {
    if (this.#endReason && "timedOut" in this.#endReason) return { status: "ended", stop_reason: "timeout" };
    if (result.kind === "answered" && result.stopReason !== "cancelled")
      return { status: "ended", stop_reason: result.stopReason };
    if (this.#endReason || result.kind === "answered") return { status: "cancelled", stop_reason: "cancelled" };
    if (result.kind === "refused") {
      const { code, message, next } = new WharfError("agent_refused", { reason: result.reason });
      await this.#parts.recorder.record({ kind: "failure", code, message, next });
    }
    return { status: "ended", stop_reason: "error" };
  }

  async #close(outcome: Outcome): Promise<void> {
    const { recorder, permissions, toolCalls } = this.#parts;
    await permissions.cancelAll();
    for (const call of toolCalls.closeAll(outcome.stop_reason === "end_turn" ? "completed" : "failed"))
      await recorder.record(call);
    await this.#commit();
    const reason = this.#endReason && "cancelled" in this.#endReason ? this.#endReason.cancelled : undefined;
    const data: EventDataByKind<"turn"> = omitUndefined({
      kind: "turn" as const,
      turn_id: this.id,
      ...outcome,
      reason,
    });
    const state = outcome.status === "cancelled" ? "CANCELLED" : "ENDED";
    this.#phase = "told";
    await endTurn(this.#parts, { turn_id: this.id, state, data });
  }

  /**
   * Commits the turn's work. A failure is a warning: the work is in the workspace, and the next
   * turn's commit includes it.
   */
  async #commit(): Promise<void> {
    const { commit, input, recorder, timing } = this.#parts;
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        timeout.reject(
          new Error(
            `it takes longer than ${timing.commitMs / 1_000} s; the turn continues, and the next commit includes the work`,
          ),
        ),
      timing.commitMs,
    );
    try {
      const event = await Promise.race([commit(input.commit), timeout.promise]);
      if (event) await recorder.record(event);
    } catch (error) {
      const failure =
        error instanceof WharfError && error.code === "work_not_committed"
          ? error
          : new WharfError("work_not_committed", { reason: error instanceof Error ? error.message : String(error) });
      await recorder.record({
        kind: "failure",
        code: failure.code,
        message: failure.message.slice(0, 8_192),
        next: failure.next,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

type Outcome = { status: "ended" | "cancelled"; stop_reason: string };

interface TurnParts {
  driver: AgentDriver;
  recorder: Recorder;
  journal: AgentHostOptions["journal"];
  log: TurnLog;
  disk: AgentHostOptions["disk"];
  permissions: Permissions;
  toolCalls: ToolCalls;
  commit: AgentHostOptions["commit"];
  timing: Timing;
  input: AgentPromptInput;
  /** The agent is paused. */
  paused(): boolean;
}
