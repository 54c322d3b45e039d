import { access, constants, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { EventType, WharfError, type EventDataByKind } from "@wharf/contract";
import { z } from "zod";
import { MemoryWatch } from "../../std/memory-watch.ts";
import { createPromptText } from "../acp/prompt-blocks.ts";
import type { AgentDriver, PromptInput, PromptResult, AgentSession } from "../agent-driver.ts";
import { ByteBudget } from "../events/byte-budget.ts";
import type { Recorder } from "../events/recorder.ts";
import { drainOutput } from "../process/drain.ts";
import { formatPromptFailure, createStartError, createExitError } from "../process/exit-messages.ts";
import { readLines } from "../process/lines.ts";
import { ProcessGroup } from "../process/process-group.ts";
import { maxOutputLineBytes, StderrReader } from "../process/stderr-reader.ts";
import type { Timing } from "../timing.ts";

/** Linux accepts no longer string in an environment (128 KiB, with the name). */
const maxEnvironmentBytes = 120_000;
/** The JSON line of a message has at most this size. */
const maxMessageBytes = 1024 * 1024;

const Message = z.object({
  type: EventType,
  timestamp: z.string().max(100).optional(),
  data: z.record(z.string(), z.unknown()).default({}),
});

interface PrintingAgentOptions {
  protocol: "json-lines" | "text";
  command: readonly string[];
  environment: Record<string, string>;
  workspace: string;
  home: string;
  recorder: Recorder;
  timing: Timing;
  /** PrintingAgent awaits this right before it starts the program. */
  waitForResume(): Promise<void>;
  onActivity(): void;
  onProcess(pid: number): Promise<void>;
}

/**
 * PrintingAgent drives a program that prints JSON lines of the six message types, or plain text.
 * The program starts for every turn and gets the prompt on stdin (and in WHARF_PROMPT if it fits);
 * its exit ends the turn.
 */
export class PrintingAgent implements AgentDriver {
  readonly #options: PrintingAgentOptions;
  readonly #exitController = new AbortController();
  #group: ProcessGroup | undefined;
  #cancelled = false;

  constructor(options: PrintingAgentOptions) {
    this.#options = options;
  }

  get exitSignal(): AbortSignal {
    return this.#exitController.signal;
  }

  async start(): Promise<AgentSession> {
    const { command, environment, workspace } = this.#options;
    if (!(await isProgram(command[0] ?? "", { path: environment["PATH"] ?? "", workspace }))) {
      throw createStartError(command, "there is no such program", undefined);
    }
    return { loaded: false };
  }

  async prompt(prompt: PromptInput): Promise<PromptResult> {
    const { command, environment, workspace, recorder, timing, onActivity, onProcess, waitForResume } = this.#options;
    this.#cancelled = false;
    let text: string;
    try {
      text = await createPromptText(prompt, this.#options.home);
    } catch (error) {
      return { kind: "refused", reason: formatPromptFailure(error) };
    }
    await waitForResume();
    const fits = Buffer.byteLength(text) <= maxEnvironmentBytes && !text.includes("\0");
    const memory = new MemoryWatch();
    let group: ProcessGroup;
    try {
      group = await ProcessGroup.start(command, {
        cwd: workspace,
        environment: fits ? { ...environment, WHARF_PROMPT: text } : environment,
      });
    } catch (error) {
      return {
        kind: "refused",
        reason: createStartError(command, error instanceof Error ? error.message : "unknown", error).message,
      };
    }
    this.#group = group;
    if (this.#cancelled || this.#exitController.signal.aborted) group.kill();
    // Read before the first await: Node discards the output of a program that exits before anyone
    // reads it.
    const stderr = new StderrReader(group, recorder, onActivity);
    const stdout = this.#read(group).catch(() => group.kill());
    await onProcess(group.pid).catch(() => undefined);
    group.stdin.end(text);
    const exit = await group.exited;
    group.kill();
    await drainOutput(Promise.all([stdout, stderr.ended]), { group, recorder, limitMs: timing.drainMs });
    this.#group = undefined;
    if (this.#cancelled) return { kind: "answered", stopReason: "cancelled" };
    if (exit.exit_code === 0) return { kind: "answered", stopReason: "end_turn" };
    const { code, message, next } = createExitError(exit, memory);
    await recorder.record({ kind: "failure", code, message: [message, stderr.tail].filter(Boolean).join("\n"), next });
    return { kind: "exited", exit };
  }

  setMode(): Promise<void> {
    return Promise.reject(new WharfError("unsupported", { what: "Choosing a mode of this agent" }));
  }

  setModel(): Promise<void> {
    return Promise.reject(new WharfError("unsupported", { what: "Choosing a model of this agent" }));
  }

  cancel(): void {
    this.#cancelled = true;
    void this.#group?.end(this.#options.timing);
  }

  kill(): void {
    this.#cancelled = true;
    this.#group?.kill();
  }

  async end(): Promise<void> {
    this.#exitController.abort();
    this.#cancelled = true;
    await this.#group?.end(this.#options.timing);
  }

  #read(group: ProcessGroup): Promise<void> {
    return this.#options.protocol === "text" ? this.#readText(group) : this.#readMessages(group);
  }

  async #readText(group: ProcessGroup): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of group.stdout) {
      this.#options.onActivity();
      await this.#options.recorder.recordText({
        kind: "message",
        text: decoder.decode(z.instanceof(Buffer).parse(chunk), { stream: true }),
      });
    }
    const remainingText = decoder.decode();
    if (remainingText) await this.#options.recorder.recordText({ kind: "message", text: remainingText });
  }

  async #readMessages(group: ProcessGroup): Promise<void> {
    const { recorder, onActivity } = this.#options;
    for await (const line of readLines(group.stdout, { maxBytes: maxMessageBytes, overlong: "split" })) {
      onActivity();
      const message = parseMessage(line);
      if (message) await recorder.record(message.data, message.type);
      else
        for (const piece of splitLine(line))
          await recorder.recordText({ kind: "output", stream: "stdout", text: piece });
    }
  }
}

function parseMessage(line: string): { type: EventType; data: EventDataByKind<"report"> } | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    const { type, timestamp, data } = Message.parse(JSON.parse(line));
    const clipped = new ByteBudget().clipRecord(data);
    // The event keeps the agent's own kind beside the kind of the event.
    const ownKind = "kind" in clipped ? { reported_kind: clipped["kind"] } : {};
    return {
      type,
      data: { ...clipped, ...ownKind, ...(timestamp !== undefined && { reported_at: timestamp }), kind: "report" },
    };
  } catch {
    return undefined;
  }
}

function* splitLine(line: string): Generator<string> {
  for (let offset = 0; offset === 0 || offset < line.length; offset += maxOutputLineBytes)
    yield line.slice(offset, offset + maxOutputLineBytes);
}

async function isProgram(name: string, places: { path: string; workspace: string }): Promise<boolean> {
  const folders = name.includes("/") ? [""] : places.path.split(delimiter);
  for (const folder of folders) {
    const path = resolve(places.workspace, folder, name);
    const runnable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runnable && (await stat(path)).isFile()) return true;
  }
  return false;
}
