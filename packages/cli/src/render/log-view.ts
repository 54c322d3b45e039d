import type { Event, EventDataByKind } from "@wharf/contract";
import { formatEvent } from "./event-line.ts";
import { formatDuration } from "./numbers.ts";
import { formatAnswer, isRefusal, formatQuestion } from "./permission.ts";
import { type PlanEntries, formatPlan } from "./plan.ts";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { TextBlock } from "./text-block.ts";
import {
  formatCallEnding,
  formatCallTitle,
  getFailureLines,
  isFinal,
  type ToolCall,
  mergeToolCall,
} from "./tool-call.ts";

export interface LogViewOptions {
  readonly style: Style;
  /**
   * Includes details that matter only in retrospect: states, ends of turns, figures, the user's own
   * prompts.
   */
  readonly detail?: boolean;
}

/** Limits how many tool calls and questions are kept at once. */
const maxRemembered = 1_000;
const indent = "  ";
const phaseWidth = 9;

/**
 * Matches a line that an agent prints for its developers, such as `[session/create]
 * phase=register`; errors and warnings do not match.
 */
const diagnostic = /^\[(?!err|warn|fatal|crit)[\w./-]+\] /i;

/**
 * Formats a task's log for a person. `show` returns the text to write for one more event; the last
 * line may still be open. The open part is one of:
 *
 * - nothing: the cursor is at the beginning of a line.
 * - a block of text (message, thought or output): more text of its kind continues it.
 * - the line of a phase or of a tool call: its ending is added to it, if nothing else came between.
 */
export class LogView {
  readonly #style: Style;
  readonly #detail: boolean;
  #open: { readonly key: string; readonly block?: TextBlock; readonly title?: string } | undefined;
  /** Records what was printed last: a blank line separates text from other lines. */
  #above: "nothing" | "text" | "lines" = "nothing";
  #plan: PlanEntries = [];
  readonly #calls = new Map<string, ToolCall>();
  readonly #questions = new Map<string, EventDataByKind<"permission">>();
  /** Remembers calls that were not allowed. Some agents report these as completed. */
  readonly #refused = new Map<string, true>();
  #failure: string | undefined;
  #isBetweenTurns = false;

  constructor({ style, detail = false }: LogViewOptions) {
    this.#style = style;
    this.#detail = detail;
  }

  show(event: Event): string {
    const { data } = event;
    switch (data.kind) {
      case "message":
        if (data.role === "user") return this.#detail ? this.#showText("user", data.text, this.#style.cyan) : "";
        return this.#showText("message", data.text, (line) => line);
      case "thought":
        return this.#showText("thought", data.text, this.#style.dim);
      case "output":
        return this.#printed(data);
      case "phase":
        return this.#showPhase(data);
      case "tool_call":
        return this.#showToolCall(data, event.timestamp);
      case "plan":
        return this.#showPlan(data.entries);
      case "permission":
        return this.#showPermission(data);
      case "turn":
        this.#isBetweenTurns = data.status !== "queued" && data.status !== "started";
        // The failure that ended the turn has been printed already.
        if (data.reason !== undefined && data.reason === this.#failure) return "";
        return this.#showLines(formatEvent(data, this.#style, this.#detail));
      case "agent_exit":
        // The end of an idle agent is no news.
        if (this.#isBetweenTurns && !this.#detail) return "";
        return this.#showLines(formatEvent(data, this.#style, this.#detail));
      default:
        if (data.kind === "failure") this.#failure = data.message;
        return this.#showLines(formatEvent(data, this.#style, this.#detail));
    }
  }

  /** Ends the open line, so that other text can be written. */
  endLine(): string {
    const lineEnd = this.#open === undefined ? "" : "\n";
    this.#open = undefined;
    return lineEnd;
  }

  #printed({ stream, text }: EventDataByKind<"output">): string {
    const lines = text.split("\n").filter((line) => this.#detail || stream === "stdout" || !diagnostic.test(line));
    return lines.length === 0 ? "" : this.#showText(`output ${stream}`, `${lines.join("\n")}\n`, this.#style.dim);
  }

  #showText(key: string, chunk: string, paint: (line: string) => string): string {
    const mark = key === "user" ? "> " : key.startsWith("output") ? "│ " : "";
    const goesOn = this.#open?.key === key ? this.#open.block : undefined;
    const block = goesOn ?? new TextBlock(indent + mark, paint);
    const text = block.add(chunk);
    if (text === "") return "";
    if (goesOn) return text;
    const lead = this.endLine() + (this.#above === "nothing" ? "" : "\n");
    this.#open = { key, block };
    this.#above = "text";
    return lead + text;
  }

  #showLines(lines: readonly string[]): string {
    if (lines.length === 0) return "";
    return this.#startLine() + lines.map((line) => `${indent}${line}\n`).join("");
  }

  #startLine(): string {
    const lead = this.endLine() + (this.#above === "text" ? "\n" : "");
    this.#above = "lines";
    return lead;
  }

  #openLine(key: string, text: string): string {
    const line = this.#startLine() + indent + text;
    this.#open = { key };
    return line;
  }

  #showPhase(data: EventDataByKind<"phase">): string {
    const key = `phase ${data.phase}`;
    const name = this.#style.dim(toSingleLine(data.phase, 40).padEnd(phaseWidth));
    if (data.status === "started")
      return data.percent === undefined
        ? this.#openLine(key, name)
        : this.#showLines([`${name}  ${Math.round(data.percent)} %`]);
    const lead = this.#open?.key === key ? "" : this.#openLine(key, name);
    const time = data.elapsed_ms === undefined ? "" : this.#style.dim(formatDuration(data.elapsed_ms));
    const message = data.message ? `${toSingleLine(data.message, 200)}  ` : "";
    const end =
      data.status === "failed"
        ? `${this.#style.red("failed")}  ${message}${time}`
        : `${this.#style.green("✓")}  ${message}${time}`;
    return `${lead}  ${end.trimEnd()}${this.endLine()}`;
  }

  #showToolCall(data: EventDataByKind<"tool_call">, timestamp: string): string {
    const { tool_call_id: id } = data;
    const existingCall = this.#calls.get(id);
    if (existingCall && isFinal(existingCall)) return "";
    const updated = mergeToolCall(existingCall, data, timestamp);
    const call = this.#refused.has(id) && isFinal(updated) ? { ...updated, status: "refused" } : updated;
    remember(this.#calls, id, call);
    const key = `call ${id}`;
    const goesOn = this.#open?.key === key;
    // If other text has interrupted its line, the call gets another line when it has ended.
    if (!isFinal(call) && existingCall && !goesOn) return "";
    const lead = goesOn ? this.#retitle(key, formatCallTitle(call)) : this.#openCall(key, formatCallTitle(call));
    if (!isFinal(call)) return lead;
    const took = Date.parse(timestamp) - call.startedAt;
    const time = took >= 1_000 ? `  ${this.#style.dim(formatDuration(took))}` : "";
    const end = `${lead}  ${formatCallEnding(call, this.#style)}${time}${this.endLine()}`;
    return (
      end +
      getFailureLines(call)
        .map((line) => `${indent}    ${this.#style.dim(line)}\n`)
        .join("")
    );
  }

  #openCall(key: string, title: string): string {
    const line = this.#openLine(key, `${this.#style.cyan("▸")} ${title}`);
    this.#open = { key, title };
    return line;
  }

  /** Appends what the agent later reveals about the call to the open line. */
  #retitle(key: string, title: string): string {
    const shownTitle = this.#open?.title ?? "";
    if (title === shownTitle) return "";
    this.#open = { key, title };
    return title.startsWith(shownTitle) ? title.slice(shownTitle.length) : `: ${title}`;
  }

  #showPlan(entries: PlanEntries): string {
    const lines = formatPlan(this.#plan, entries, this.#style);
    this.#plan = entries;
    return this.#showLines(lines);
  }

  #showPermission(data: EventDataByKind<"permission">): string {
    if (data.status === "asked") {
      remember(this.#questions, data.permission_id, data);
      return this.#showLines(formatQuestion(data, this.#style));
    }
    const question = this.#questions.get(data.permission_id);
    const callId = data.tool_call_id ?? question?.tool_call_id;
    if (callId !== undefined && isRefusal(data, question)) remember(this.#refused, callId, true);
    const line = formatAnswer(data, question, this.#style);
    return line === undefined ? "" : this.#showLines([line]);
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  const oldest = map.size > maxRemembered ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
