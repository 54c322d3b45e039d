import {
  type AgentTestEvent,
  type AgentTestIntroduction,
  type AgentTestPhase,
  type AgentTestResult,
  type Event,
  type EventDataByKind,
  type OfferedChoice,
  parseModels,
  parseModes,
  parseSessionOptions,
  WharfError,
} from "@wharf/contract";
import { z } from "zod";
import type { AgentTypeView } from "../../agent-types/index.ts";

/** Characters of the answer, and lines of the output, that the result has at most. */
const maxAnswerLength = 2_000;
const maxOutputLines = 20;
const maxLineLength = 500;

/** A turn with one of these stop reasons failed because of the agent. */
const failedStops: ReadonlySet<string> = new Set(["error", "timeout", "refusal"]);
const finalRunStates: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "STOPPED"]);
const loggedPhases = ["provision", "connect", "agent"] as const satisfies readonly AgentTestPhase[];

const Text = z.string().max(200).optional().catch(undefined);
const Count = z.int().min(0).optional().catch(undefined);
/** The agent wrote these values. */
const Handshake = z.object({ name: Text, version: Text, protocol_version: Count, elapsed_ms: Count });

type Problem = NonNullable<AgentTestResult["error"]>;

/**
 * Reads the log of a test's task and describes the test: each step as it begins and ends, and at
 * the end the result. Steps follow each other; one that failed is the last.
 *
 *   queue → provision → connect → agent → answer → turn
 */
export class AgentTestReport {
  readonly #type: Pick<AgentTypeView, "name" | "protocol">;
  readonly #startedAt = performance.now();
  readonly #phases: AgentTestResult["phases"] = [];
  #open: { readonly phase: AgentTestPhase; readonly startedAt: number } | undefined;
  #hasStarted = false;
  #handshake: z.infer<typeof Handshake> = {};
  #choices: { modes: readonly OfferedChoice[]; models: readonly OfferedChoice[] } = { modes: [], models: [] };
  #options: unknown;
  #answer = "";
  #output: string[] = [];
  #usage = { model_requests: 0, input_tokens: 0, output_tokens: 0 };
  #failure: Problem | undefined;
  #turnEnd: EventDataByKind<"turn"> | undefined;
  #isRunOver = false;
  #isMeasured = false;

  constructor(type: Pick<AgentTypeView, "name" | "protocol">) {
    this.#type = type;
  }

  /** Whether nothing can follow that changes whether the test succeeded. */
  get isDecided(): boolean {
    return this.#turnEnd !== undefined || this.#isRunOver;
  }

  /** Whether the use of the runner, which is measured after the turn, is known too. */
  get isComplete(): boolean {
    return this.#isRunOver || (this.#turnEnd !== undefined && this.#isMeasured);
  }

  begin(): AgentTestEvent[] {
    return this.#beginPhase("queue");
  }

  /** Takes the next event of the log; returns what it tells about the test. */
  add({ data }: Event): AgentTestEvent[] {
    switch (data.kind) {
      case "state":
        return data.entity === "run" ? this.#addRunState(data.to) : [];
      case "phase":
        return this.#addPhase(data);
      case "turn":
        return this.#addTurn(data);
      case "agent_info":
        this.#addInfo(data);
        return [];
      case "message":
        if (data.role === "user") return [];
        this.#addAnswer(data.text);
        return this.#addSignOfLife();
      case "output":
        this.#addOutput(data);
        return data.stream === "stdout" ? this.#addSignOfLife() : [];
      case "thought":
      case "tool_call":
      case "plan":
      case "permission":
      case "report":
        return this.#addSignOfLife();
      case "failure":
        this.#failure = this.#toProblem(data);
        return [];
      case "usage":
        this.#addUsage(data);
        return [];
      default:
        return [];
    }
  }

  /** Ends the open phase and returns the result. An `error` that the log does not know is given. */
  finish(error?: WharfError): AgentTestEvent[] {
    const problem = this.#findProblem(error);
    return [...this.#endPhase(problem === undefined ? "done" : "failed"), this.#createResult(problem)];
  }

  /** Names the step in which the test is, for the error of a test that takes too long. */
  get phase(): AgentTestPhase {
    return this.#open?.phase ?? this.#phases.at(-1)?.phase ?? "queue";
  }

  #findProblem(error: WharfError | undefined): Problem | undefined {
    const { status, stop_reason = "" } = this.#turnEnd ?? {};
    if (error === undefined && status === "ended" && !failedStops.has(stop_reason)) return undefined;
    if (this.#failure) return this.#failure;
    const { name } = this.#type;
    const reason =
      this.#turnEnd?.reason ?? (stop_reason === "" ? "its run was stopped" : `its turn ended with '${stop_reason}'`);
    const ended = error ?? new WharfError("agent_test_ended", { name, reason });
    return { code: ended.code, message: ended.message, next: ended.next };
  }

  #createResult(problem: Problem | undefined): AgentTestResult {
    return {
      type: "result",
      ok: problem === undefined,
      elapsed_ms: getElapsedMs(this.#startedAt),
      phases: this.#phases,
      ...(this.#hasStarted && { agent: this.#createIntroduction() }),
      answer: this.#answer.trim(),
      usage: this.#usage,
      ...(problem && { error: problem }),
      output: this.#output,
    };
  }

  #createIntroduction(): AgentTestIntroduction {
    const { elapsed_ms, ...handshake } = this.#handshake;
    const options = parseSessionOptions(this.#options);
    const findOption = (category: string) => options.find((option) => option.category === category)?.options;
    return {
      protocol: this.#type.protocol,
      ...handshake,
      ...(elapsed_ms !== undefined && { handshake_ms: elapsed_ms }),
      modes: [...(findOption("mode") ?? this.#choices.modes)],
      models: [...(findOption("model") ?? this.#choices.models)],
    };
  }

  #addRunState(state: string): AgentTestEvent[] {
    if (finalRunStates.has(state)) this.#isRunOver = true;
    return state === "STARTING" && this.#open?.phase === "queue" ? this.#endPhase("done") : [];
  }

  #addPhase({ phase, status, elapsed_ms }: EventDataByKind<"phase">): AgentTestEvent[] {
    const known = loggedPhases.find((one) => one === phase);
    if (!known) return [];
    if (status === "started") return this.#beginPhase(known);
    if (known === "agent" && status === "done") this.#hasStarted = true;
    return this.#endPhase(status, elapsed_ms);
  }

  #addTurn(data: EventDataByKind<"turn">): AgentTestEvent[] {
    if (data.status === "queued") return [];
    if (data.status === "started") return this.#beginPhase("answer");
    this.#turnEnd ??= data;
    return [];
  }

  #addSignOfLife(): AgentTestEvent[] {
    if (this.#open?.phase !== "answer") return [];
    return [...this.#endPhase("done"), ...this.#beginPhase("turn")];
  }

  #addInfo(data: EventDataByKind<"agent_info">): void {
    if (data.update === "initialized") this.#handshake = Handshake.parse(data);
    if (data.update === "session") {
      this.#choices = { modes: parseModes(data["modes"]) ?? [], models: parseModels(data["models"]) ?? [] };
      this.#options = data["config_options"];
    }
    if (data.update === "config_option_update") this.#options = data["configOptions"];
  }

  #addAnswer(text: string): void {
    this.#answer = (this.#answer + text).slice(0, maxAnswerLength);
  }

  /** What an agent prints is its answer only in the protocol `text`. */
  #addOutput({ stream, text }: EventDataByKind<"output">): void {
    if (stream === "stdout" && this.#type.protocol === "text") return this.#addAnswer(`${text}\n`);
    this.#output = [...this.#output, text.slice(0, maxLineLength)].slice(-maxOutputLines);
  }

  #addUsage(data: EventDataByKind<"usage">): void {
    if (data.source === "backend" && this.#turnEnd !== undefined) this.#isMeasured = true;
    if (data.source !== "gateway") return;
    const { model_requests, input_tokens, output_tokens } = this.#usage;
    this.#usage = {
      model_requests: model_requests + (data.model_requests ?? 0),
      input_tokens: input_tokens + (data.input_tokens ?? 0),
      output_tokens: output_tokens + (data.output_tokens ?? 0),
    };
  }

  /** The next step of an agent's failure is about a task, which a test has only while it lasts. */
  #toProblem({ code, message, next }: EventDataByKind<"failure">): Problem {
    const { name } = this.#type;
    const isAgents = code.startsWith("agent_") && code !== "agent_model_failed";
    const correction = `Correct the agent with \`wharf agent-types set ${name}\`, then test it again. What it printed is in the result.`;
    return { code, message, next: isAgents ? correction : (next ?? correction) };
  }

  #beginPhase(phase: AgentTestPhase): AgentTestEvent[] {
    const ended = this.#endPhase("done");
    this.#open = { phase, startedAt: performance.now() };
    return [...ended, { type: "phase", phase, status: "started" }];
  }

  #endPhase(status: "done" | "failed", elapsedMs?: number): AgentTestEvent[] {
    if (!this.#open) return [];
    const { phase, startedAt } = this.#open;
    this.#open = undefined;
    const result = { phase, status, elapsed_ms: Math.round(elapsedMs ?? getElapsedMs(startedAt)) };
    this.#phases.push(result);
    return [{ type: "phase", ...result }];
  }
}

const getElapsedMs = (startedAt: number): number => Math.round(performance.now() - startedAt);
