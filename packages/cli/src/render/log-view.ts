import type { Event, EventDataOf } from "@wharf/contract";
import { oneLine } from "./clean.ts";
import { eventLines } from "./event-line.ts";
import { duration } from "./numbers.ts";
import { answerLine, isRefusal, questionLines } from "./permission.ts";
import { type PlanEntries, planLines } from "./plan.ts";
import type { Style } from "./style.ts";
import { TextBlock } from "./text-block.ts";
import { callEnding, callTitle, failureLines, isFinal, type ToolCall, upsert } from "./tool-call.ts";

export interface LogViewOptions {
  readonly style: Style;
  /** Shows also what is only of use when looking back: states, ends of turns, figures, the person's own words. */
  readonly detail?: boolean;
}

/** Tool calls and questions that are remembered at once. */
const maxRemembered = 1_000;
const indent = "  ";
const phaseWidth = 9;

/** A line that an agent prints for its own developers, such as `[session/create] phase=register`; no error or warning is one. */
const diagnostic = /^\[(?!err|warn|fatal|crit)[\w./-]+\] /i;

/**
 * What a task's log looks like to a person. `show` gives the text to write for one more event; the last line may still be
 * open. What is open is one of:
 *
 * - nothing: the cursor stands at the beginning of a line.
 * - a block of text (message, thought or output): more text of its kind goes on in it.
 * - the line of a phase or of a tool call: its ending goes on it, if nothing else came between.
 */
export class LogView {
  readonly #style: Style;
  readonly #detail: boolean;
  #open: { readonly key: string; readonly block?: TextBlock; readonly title?: string } | undefined;
  /** What stands above: text and other lines are kept apart by a blank line. */
  #above: "nothing" | "text" | "lines" = "nothing";
  #plan: PlanEntries = [];
  readonly #calls = new Map<string, ToolCall>();
  readonly #questions = new Map<string, EventDataOf<"permission">>();
  /** Calls that were not allowed. Some agents report these as completed. */
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
        if (data.role === "user") return this.#detail ? this.#text("user", data.text, this.#style.cyan) : "";
        return this.#text("message", data.text, (line) => line);
      case "thought":
        return this.#text("thought", data.text, this.#style.dim);
      case "output":
        return this.#printed(data);
      case "phase":
        return this.#phase(data);
      case "tool_call":
        return this.#toolCall(data, event.timestamp);
      case "plan":
        return this.#planned(data.entries);
      case "permission":
        return this.#permission(data);
      case "turn":
        this.#isBetweenTurns = data.status !== "queued" && data.status !== "started";
        // The failure that ended it stands above.
        if (data.reason !== undefined && data.reason === this.#failure) return "";
        return this.#lines(eventLines(data, this.#style, this.#detail));
      case "agent_exit":
        // That it is ended when it has nothing to do is no news.
        if (this.#isBetweenTurns && !this.#detail) return "";
        return this.#lines(eventLines(data, this.#style, this.#detail));
      default:
        if (data.kind === "failure") this.#failure = data.message;
        return this.#lines(eventLines(data, this.#style, this.#detail));
    }
  }

  /** Ends the line that is open, so that something else may be written. */
  rest(): string {
    const ended = this.#open === undefined ? "" : "\n";
    this.#open = undefined;
    return ended;
  }

  #printed({ stream, text }: EventDataOf<"output">): string {
    const lines = text.split("\n").filter((line) => this.#detail || stream === "stdout" || !diagnostic.test(line));
    return lines.length === 0 ? "" : this.#text(`output ${stream}`, `${lines.join("\n")}\n`, this.#style.dim);
  }

  #text(key: string, chunk: string, paint: (line: string) => string): string {
    const mark = key === "user" ? "> " : key.startsWith("output") ? "│ " : "";
    const goesOn = this.#open?.key === key ? this.#open.block : undefined;
    const block = goesOn ?? new TextBlock(indent + mark, paint);
    const text = block.add(chunk);
    if (text === "") return "";
    if (goesOn) return text;
    const lead = this.rest() + (this.#above === "nothing" ? "" : "\n");
    this.#open = { key, block };
    this.#above = "text";
    return lead + text;
  }

  #lines(lines: readonly string[]): string {
    if (lines.length === 0) return "";
    return this.#beforeLine() + lines.map((line) => `${indent}${line}\n`).join("");
  }

  #beforeLine(): string {
    const lead = this.rest() + (this.#above === "text" ? "\n" : "");
    this.#above = "lines";
    return lead;
  }

  #openLine(key: string, text: string): string {
    const line = this.#beforeLine() + indent + text;
    this.#open = { key };
    return line;
  }

  #phase(data: EventDataOf<"phase">): string {
    const key = `phase ${data.phase}`;
    const name = this.#style.dim(oneLine(data.phase, 40).padEnd(phaseWidth));
    if (data.status === "started")
      return data.percent === undefined
        ? this.#openLine(key, name)
        : this.#lines([`${name}  ${Math.round(data.percent)} %`]);
    const lead = this.#open?.key === key ? "" : this.#openLine(key, name);
    const time = data.elapsed_ms === undefined ? "" : this.#style.dim(duration(data.elapsed_ms));
    const said = data.message ? `${oneLine(data.message, 200)}  ` : "";
    const end =
      data.status === "failed"
        ? `${this.#style.red("failed")}  ${said}${time}`
        : `${this.#style.green("✓")}  ${said}${time}`;
    return `${lead}  ${end.trimEnd()}${this.rest()}`;
  }

  #toolCall(data: EventDataOf<"tool_call">, timestamp: string): string {
    const { tool_call_id: id } = data;
    const known = this.#calls.get(id);
    if (known && isFinal(known)) return "";
    const updated = upsert(known, data, timestamp);
    const call = this.#refused.has(id) && isFinal(updated) ? { ...updated, status: "refused" } : updated;
    remember(this.#calls, id, call);
    const key = `call ${id}`;
    const goesOn = this.#open?.key === key;
    // Where something else was written since its line began, it gets another one when it has ended.
    if (!isFinal(call) && known && !goesOn) return "";
    const lead = goesOn ? this.#retitle(key, callTitle(call)) : this.#openCall(key, callTitle(call));
    if (!isFinal(call)) return lead;
    const took = Date.parse(timestamp) - call.startedAt;
    const time = took >= 1_000 ? `  ${this.#style.dim(duration(took))}` : "";
    const end = `${lead}  ${callEnding(call, this.#style)}${time}${this.rest()}`;
    return (
      end +
      failureLines(call)
        .map((line) => `${indent}    ${this.#style.dim(line)}\n`)
        .join("")
    );
  }

  #openCall(key: string, title: string): string {
    const line = this.#openLine(key, `${this.#style.cyan("▸")} ${title}`);
    this.#open = { key, title };
    return line;
  }

  /** Adds to the open line what an agent says only later about what it does. */
  #retitle(key: string, title: string): string {
    const shown = this.#open?.title ?? "";
    if (title === shown) return "";
    this.#open = { key, title };
    return title.startsWith(shown) ? title.slice(shown.length) : `: ${title}`;
  }

  #planned(entries: PlanEntries): string {
    const lines = planLines(this.#plan, entries, this.#style);
    this.#plan = entries;
    return this.#lines(lines);
  }

  #permission(data: EventDataOf<"permission">): string {
    if (data.status === "asked") {
      remember(this.#questions, data.permission_id, data);
      return this.#lines(questionLines(data, this.#style));
    }
    const asked = this.#questions.get(data.permission_id);
    const callId = data.tool_call_id ?? asked?.tool_call_id;
    if (callId !== undefined && isRefusal(data, asked)) remember(this.#refused, callId, true);
    const line = answerLine(data, asked, this.#style);
    return line === undefined ? "" : this.#lines([line]);
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  const oldest = map.size > maxRemembered ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
