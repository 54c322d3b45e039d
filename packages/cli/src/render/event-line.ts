import type { EventData, EventDataOf } from "@wharf/contract";
import { oneLine } from "./clean.ts";
import { changeCount } from "./diff.ts";
import { duration, plural, size } from "./numbers.ts";
import type { Style } from "./style.ts";

/** Kinds that are told in lines of their own, without regard to what came before. */
export type LineData = Exclude<
  EventData,
  { kind: "message" | "thought" | "tool_call" | "plan" | "permission" | "output" | "phase" }
>;

/** What an event says, in lines; none where it says nothing to a person. `detail` shows also what is only of use when looking back. */
export function eventLines(data: LineData, style: Style, detail: boolean): string[] {
  switch (data.kind) {
    case "commit":
      return [
        `${style.green("●")} commit ${oneLine(data.sha.slice(0, 10))}  ${oneLine(data.message, 72)}  ${style.dim("(")}${changeCount(data, style)}${style.dim(")")}`,
      ];
    case "push":
      if (data.status === "pending")
        return [
          `${style.yellow("…")} ${oneLine(data.ref, 200)} is not pushed yet: ${oneLine(data.message ?? "", 600)}`,
        ];
      return data.status === "pushed"
        ? [`${style.green("✓")} pushed ${oneLine(data.ref, 200)} to ${oneLine(data.remote, 200)}`]
        : [
            `${style.red("✗")} ${oneLine(data.ref, 200)} was not pushed: ${oneLine(data.message ?? "no reason was given", 600)}`,
          ];
    case "failure":
      return [
        `${style.red("✗")} ${speaker(data)}${oneLine(data.message, 1000)}`,
        ...(data.next ? [`  ${style.dim("→")} ${oneLine(data.next, 400)}`] : []),
      ];
    case "denied":
      return [
        `${style.yellow("!")} The sandbox may not reach ${oneLine(data.host, 200)}: ${oneLine(data.reason, 300)}`,
      ];
    case "agent_exit":
      return [`${style.yellow("!")} The agent's process ended: ${oneLine(data.message, 600)}`];
    case "notice":
      return [`${style.dim("·")} ${speaker(data)}${oneLine(data.message, 600)}`];
    case "report":
      return reportLines(data);
    case "state":
      return stateLines(data, style, detail);
    case "turn":
      return turnLines(data, style, detail);
    case "session":
      return data.loaded ? [style.dim("· the agent goes on with its earlier conversation")] : [];
    case "usage":
      return detail ? [style.dim(`· used: ${usageText(data)} (measured by the ${data.source})`)] : [];
    case "fs_change":
      return detail ? changeLines(data, style) : [];
    case "agent_info":
      return [];
  }
}

/** A runner's words are told apart from the server's. */
const speaker = ({ source }: EventDataOf<"notice" | "failure">): string =>
  source === "runner" ? "the runner says: " : "";

const maxShownChanges = 5;

function changeLines({ changes, overflow }: EventDataOf<"fs_change">, style: Style): string[] {
  const shown = changes.slice(0, maxShownChanges).map(({ path }) => oneLine(path, 200));
  const more = changes.length > shown.length ? ` and ${changes.length - shown.length} more` : "";
  if (overflow) return [style.dim("· more changed in the workspace than can be told one by one")];
  return shown.length > 0 ? [style.dim(`· changed: ${shown.join(", ")}${more}`)] : [];
}

function stateLines(data: EventDataOf<"state">, style: Style, detail: boolean): string[] {
  const reason = data.reason ? `: ${oneLine(data.reason, 300)}` : "";
  const triedAgain = data.entity === "run" && data.to === "PENDING" && data.from !== undefined;
  if (triedAgain) return [`${style.yellow("!")} The start failed and is ${reason.replace(/^: /, "")}`];
  return detail
    ? [
        style.dim(
          `· ${data.entity} ${oneLine(data.from === undefined ? data.to : `${data.from} → ${data.to}`)}${reason}`,
        ),
      ]
    : [];
}

function turnLines(data: EventDataOf<"turn">, style: Style, detail: boolean): string[] {
  if (data.status === "interrupted")
    return [
      `${style.yellow("!")} The turn was interrupted: ${oneLine(data.reason ?? "how far it got is not known", 400)}`,
    ];
  if (data.status === "cancelled") return [`${style.yellow("!")} ${cancelText(data.reason)}`];
  if (data.status !== "ended") return [];
  if (data.stop_reason !== "end_turn" && data.stop_reason !== undefined)
    return [`${style.yellow("!")} ${stopText(data.stop_reason)}`];
  return detail ? [style.dim("· the turn ended")] : [];
}

/** That a person cancelled it is what "cancelled" says already. */
export const cancelText = (reason: string | undefined): string =>
  `The turn was cancelled${!reason || /^it was cancelled\.?$/i.test(reason) ? "." : `: ${oneLine(reason, 300)}`}`;

const stopWords: Readonly<Record<string, string>> = {
  max_tokens: "The agent stopped: the model's answer reached its longest length.",
  max_turn_requests: "The agent stopped: it made as many model requests as it may in one turn.",
  refusal: "The model refused to go on.",
  error: "The turn ended with an error.",
  timeout: "The agent gave no sign of life and was ended.",
};

/** Why an agent stopped, in words. */
export const stopText = (stopReason: string): string =>
  stopWords[stopReason] ?? `The turn ended: ${oneLine(stopReason)}`;

/** A message of an agent that prints JSON lines, in whatever form it has. */
function reportLines(data: EventDataOf<"report">): string[] {
  const { kind: _, ...said } = data;
  const words = ["message", "text", "content"].map((name) => said[name]).find((one) => typeof one === "string");
  const text = oneLine(typeof words === "string" ? words : JSON.stringify(said), 400);
  return text === "" || text === "{}" ? [] : [`· ${text}`];
}

type Usage = Omit<EventDataOf<"usage">, "kind" | "source" | "raw">;

export function usageText(used: { [Name in keyof Usage]: Usage[Name] | undefined }): string {
  const parts = [
    used.cpu_seconds === undefined ? "" : `${duration(used.cpu_seconds * 1000)} of CPU`,
    used.memory_peak_bytes === undefined ? "" : `${size(used.memory_peak_bytes)} of memory at most`,
    used.model_requests === undefined || (used.model_requests === 0 && used.cpu_seconds === undefined)
      ? ""
      : plural(used.model_requests, "model request"),
    used.input_tokens === undefined ? "" : `${used.input_tokens} tokens in`,
    used.output_tokens === undefined ? "" : `${used.output_tokens} tokens out`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}
