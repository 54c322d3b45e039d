import type { Event, EventData } from "@wharf/contract";
import type { Weight } from "./words.ts";

/** The fields of an event that are text for people; those of other kinds are not searched. */
const textFields: Readonly<Record<string, readonly string[]>> = {
  message: ["text"],
  thought: ["text"],
  output: ["text"],
  notice: ["message"],
  failure: ["code", "message", "next"],
  phase: ["message"],
  state: ["reason"],
  agent_exit: ["message"],
  commit: ["sha", "message"],
  push: ["message"],
  denied: ["host", "reason"],
  permission: ["title"],
  plan: ["entries"],
  tool_call: ["title", "locations", "content", "raw_input", "raw_output"],
};
/** Names in structures, whose values are words of Wharf or of a protocol. */
const ignoredNames: ReadonlySet<string> = new Set(["kind", "type", "status", "priority", "terminal_id"]);

/** Limits the text of one event that is searched. */
const maxTextLength = 100_000;
const maxDepth = 8;

/** Returns the text of an event, or an empty one. */
export function getEventText(data: EventData): string {
  const values =
    data.kind === "report"
      ? [data]
      : (textFields[data.kind] ?? []).map((name) => (data as Readonly<Record<string, unknown>>)[name]);
  const texts: string[] = [];
  let remaining = maxTextLength;
  const collect = (value: unknown, depth: number): void => {
    if (remaining <= 0 || depth > maxDepth) return;
    if (typeof value === "string") {
      texts.push(value.slice(0, remaining));
      remaining -= value.length;
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) if (!ignoredNames.has(name)) collect(inner, depth + 1);
    }
  };
  for (const value of values) collect(value, 0);
  return texts.join("\n");
}

export const getEventWeight = ({ kind }: EventData): Weight => (kind === "message" ? "C" : "D");

/**
 * How the texts of two events that follow each other are put together: chunks of a message have
 * their own spaces, and lines of output end with their event. Undefined for events whose texts are
 * separate.
 */
export function getSeparator(event: Event, next: Event): string | undefined {
  const [{ data }, { data: nextData }] = [event, next];
  if (event.agent_id !== next.agent_id || event.seq + 1 !== next.seq) return undefined;
  if (data.kind === "message" && nextData.kind === "message") return data.role === nextData.role ? "" : undefined;
  if (data.kind === "thought" && nextData.kind === "thought") return "";
  if (data.kind === "output" && nextData.kind === "output") return "\n";
  return undefined;
}

/** Whether later events may belong to the document of this one. */
export const isJoinable = ({ kind }: EventData): boolean =>
  kind === "message" || kind === "thought" || kind === "output";
