import { randomUUID } from "node:crypto";
import {
  type AgentPrompt,
  type AgentStart,
  type AgentState,
  type EventData,
  type EventDataOf,
  type PauseState,
  type TurnKnowledge,
  typeOfKind,
  WharfError,
} from "@wharf/contract";
import type { z } from "zod";
import type { MockGit } from "../git/mock-git.ts";
import type { MockDisk } from "../mock-disk.ts";
import { MockPermissions } from "./permissions.ts";
import { perform, type Stage } from "./script.ts";

type PromptInput = z.output<typeof AgentPrompt>;

export interface MockAgentOptions {
  readonly disk: MockDisk;
  readonly git: MockGit;
  /** Aborted when the daemon is gone. */
  readonly alive: AbortSignal;
  /** Before each record; throws where the daemon dies of it. */
  readonly step: () => void;
  readonly faults: Pick<Stage, "die" | "partition" | "slowDisk">;
}

interface Engaged {
  readonly start: AgentStart;
  readonly session_id: string;
  readonly permissions: MockPermissions;
  exited: boolean;
}

interface Turn {
  readonly id: string;
  readonly ending: AbortController;
  over: Promise<void>;
}

/**
 * The scripted agent of a runner: none → ready ⇄ busy (a turn is open) → exited; started again from any of these but busy.
 * Any of them may be paused: then it is neither started nor prompted, and an open turn stands still.
 * A turn's key is on disk before the script begins, and its end is marked there in the moment its record can no longer be
 * lost: a daemon that dies leaves an open turn, which the next one ends as interrupted.
 */
export class MockAgent {
  readonly #options: MockAgentOptions;
  #engaged: Engaged | undefined;
  #turn: Turn | undefined;
  /** There while it is paused; resolves when it is resumed. */
  #pause: PromiseWithResolvers<void> | undefined;

  constructor(options: MockAgentOptions) {
    this.#options = options;
  }

  recover(): void {
    const { disk } = this.#options;
    for (const [turn_id, turn] of disk.turns) {
      if (turn.state !== "RUNNING") continue;
      const reason = "The runner's daemon ended in the middle of the turn; how far the agent got is not known.";
      this.#append(
        turn.run_id,
        { kind: "turn", turn_id, status: "interrupted", reason },
        () => (turn.state = "INTERRUPTED"),
      );
    }
  }

  start(input: AgentStart): { session_id: string; loaded: boolean } {
    const { disk } = this.#options;
    const engaged = this.#engaged;
    if (engaged?.start.run_id === input.run_id && !engaged.exited)
      return { session_id: engaged.session_id, loaded: false };
    if (this.#turn) throw new WharfError("conflict", { what: "agent", from: "busy", to: "starting" });
    if (this.#pause) throw new WharfError("conflict", { what: "agent", from: "paused", to: "starting" });
    const wanted = input.session_id ?? disk.sessions.get(input.run_id)?.session_id;
    const known =
      wanted === undefined ? undefined : [...disk.sessions.values()].find(({ session_id }) => session_id === wanted);
    const session = known ?? { session_id: randomUUID(), prompts: [] };
    disk.sessions.set(input.run_id, session);
    const permissions = new MockPermissions(input, (data) => this.#record(input.run_id, data));
    this.#engaged = { start: input, session_id: session.session_id, permissions, exited: false };
    const loaded = known !== undefined;
    this.#record(input.run_id, { kind: "session", session_id: session.session_id, loaded });
    return { session_id: session.session_id, loaded };
  }

  async prompt(input: PromptInput): Promise<{ duplicate: boolean }> {
    const { disk } = this.#options;
    if (disk.turns.has(input.turn_id)) return { duplicate: true };
    if (this.#turn) throw new WharfError("turn_open", { task_id: input.run_id });
    if (this.#pause) throw new WharfError("conflict", { what: "agent", from: "paused", to: "busy" });
    const engaged = this.#engaged;
    if (!engaged || engaged.exited || engaged.start.run_id !== input.run_id)
      throw new WharfError("conflict", { what: "agent", from: this.state().status, to: "busy" });
    disk.turns.set(input.turn_id, { run_id: input.run_id, state: "RUNNING" });
    const turn: Turn = { id: input.turn_id, ending: new AbortController(), over: Promise.resolve() };
    this.#turn = turn;
    turn.over = this.#run(engaged, turn, input).catch(() => undefined);
    return { duplicate: false };
  }

  turn(turn_id: string): z.infer<typeof TurnKnowledge> {
    return { turn_id, state: this.#options.disk.turns.get(turn_id)?.state ?? "unknown" };
  }

  /** One that is paused goes on, to its end. */
  cancel(turnId: string): void {
    if (this.#turn?.id === turnId) {
      this.#turn.ending.abort(new Cancelled("It was cancelled."));
      return this.#goOn();
    }
    if (!this.#options.disk.turns.has(turnId)) throw new WharfError("not_found", { what: "turn", id: turnId });
  }

  answerPermission(input: { permission_id: string; option_id?: string | undefined; by: string }): void {
    if (!this.#engaged) throw new WharfError("not_found", { what: "permission request", id: input.permission_id });
    this.#engaged.permissions.answer(input);
  }

  async stop(reason: string): Promise<void> {
    const engaged = this.#engaged;
    this.#goOn();
    if (!engaged) return;
    const turn = this.#turn;
    turn?.ending.abort(new Cancelled(`The agent was stopped: ${reason}`));
    await turn?.over;
    engaged.exited = true;
    await this.#options.disk.journal.flush();
  }

  pause(): PauseState {
    if (!this.#pause) this.#tell("The agent is paused.");
    this.#pause ??= Promise.withResolvers();
    return { pausing: false, paused: true };
  }

  resume(): PauseState {
    if (this.#pause) this.#tell("The agent goes on.");
    this.#goOn();
    return { pausing: false, paused: false };
  }

  #goOn(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  #tell(message: string): void {
    if (this.#engaged) this.#record(this.#engaged.start.run_id, { kind: "notice", message });
  }

  /** A turn that is ended meanwhile does not wait. */
  async #unpaused(turn: Turn): Promise<void> {
    if (!this.#pause || turn.ending.signal.aborted) return;
    const ended = new Promise<void>((resolve) =>
      turn.ending.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    await Promise.race([this.#pause.promise, ended]);
  }

  state(): z.infer<typeof AgentState> {
    const halted = { ...(this.#pause && { paused: true }) };
    if (!this.#engaged) return { status: "none", ...halted };
    const { start, session_id, exited } = this.#engaged;
    const told = { run_id: start.run_id, session_id, ...halted };
    if (this.#turn) return { ...told, status: "busy", turn_id: this.#turn.id };
    return { ...told, status: exited ? "exited" : "ready" };
  }

  async #run(engaged: Engaged, turn: Turn, input: PromptInput): Promise<void> {
    const { disk, alive } = this.#options;
    const { run_id } = input;
    const record = (data: EventData) => this.#record(run_id, data);
    record({ kind: "turn", turn_id: turn.id, status: "started" });
    const prompts = disk.sessions.get(run_id)?.prompts ?? [];
    using idle = new IdleTimer(input.idle_timeout_s * 1000, {
      paused: () => engaged.permissions.open > 0 || this.#pause !== undefined,
      onIdle: () => turn.ending.abort(new IdleTooLong()),
    });
    let stopReason: string;
    try {
      stopReason = await perform(input.text, {
        ...this.#options.faults,
        disk,
        permissions: engaged.permissions,
        prompts: [...prompts],
        signal: AbortSignal.any([alive, turn.ending.signal]),
        unpaused: () => this.#unpaused(turn),
        record(data) {
          idle.touch();
          record(data);
        },
        exit(code) {
          engaged.exited = true;
          record({ kind: "agent_exit", exit_code: code, message: `The agent ended by itself (exit code ${code}).` });
          record(failureOf(new WharfError("agent_exited", { exit: `exit code ${code}` })));
        },
      });
    } catch (error) {
      alive.throwIfAborted();
      if (!turn.ending.signal.aborted) record(failureOf(new WharfError("agent_refused", { reason: String(error) })));
      stopReason = "error";
    }
    prompts.push(input.text.trim().split("\n")[0] ?? "");
    await this.#end(turn, { input, stopReason });
  }

  async #end(turn: Turn, { input, stopReason }: { input: PromptInput; stopReason: string }): Promise<void> {
    const { disk, git, alive } = this.#options;
    const why: unknown = turn.ending.signal.aborted ? turn.ending.signal.reason : undefined;
    if (why instanceof IdleTooLong)
      this.#record(
        input.run_id,
        failureOf(new WharfError("agent_timeout", { after_s: input.idle_timeout_s, waiting_for: "the prompt" })),
      );
    const commit = await git.commit(input.commit);
    alive.throwIfAborted();
    if (commit) this.#record(input.run_id, commit);
    const cancelled = why instanceof Cancelled;
    const data: EventDataOf<"turn"> = {
      kind: "turn",
      turn_id: turn.id,
      status: cancelled ? "cancelled" : "ended",
      stop_reason: cancelled ? "cancelled" : why instanceof IdleTooLong ? "timeout" : stopReason,
      ...(cancelled && { reason: why.message }),
    };
    this.#options.step();
    this.#append(input.run_id, data, () => {
      const known = disk.turns.get(turn.id);
      if (known) known.state = cancelled ? "CANCELLED" : "ENDED";
      if (this.#turn === turn) this.#turn = undefined;
    });
    await disk.journal.flush();
  }

  #record(runId: string, data: EventData): void {
    this.#options.step();
    this.#append(runId, data);
  }

  #append(run_id: string, data: EventData, onReadable?: () => void): void {
    const isError = data.kind === "turn" && data.stop_reason === "error";
    this.#options.disk.journal.append({ run_id, type: isError ? "error" : typeOfKind[data.kind], data }, onReadable);
  }
}

class Cancelled extends Error {}
class IdleTooLong extends Error {}

const failureOf = ({ code, message, next }: WharfError): EventDataOf<"failure"> => ({
  kind: "failure",
  code,
  message,
  next,
});

/** Calls when nothing was heard for so long. */
class IdleTimer implements Disposable {
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, { paused, onIdle }: { paused: () => boolean; onIdle: () => void }) {
    this.#timer = setTimeout(() => (paused() ? this.touch() : onIdle()), Math.min(ms, 2 ** 31 - 1));
  }

  touch(): void {
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
