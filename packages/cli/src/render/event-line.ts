import type { EventData, EventDataByKind } from "@wharf/contract";
import { formatChangeCount } from "./diff.ts";
import { formatDuration, formatCount, formatSize } from "./numbers.ts";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** Events of these kinds get separate lines, independent of earlier events. */
export type LineData = Exclude<
  EventData,
  { kind: "message" | "thought" | "tool_call" | "plan" | "permission" | "output" | "phase" }
>;

/**
 * Formats an event as lines, or as none if it is not useful to a person. `detail` includes events
 * that matter only in retrospect.
 */
export function formatEvent(data: LineData, style: Style, detail: boolean): string[] {
  switch (data.kind) {
    case "commit":
      return [
        `${style.green("●")} commit ${toSingleLine(data.sha.slice(0, 10))}  ${toSingleLine(data.message, 72)}  ${style.dim("(")}${formatChangeCount(data, style)}${style.dim(")")}`,
      ];
    case "push":
      if (data.status === "pending")
        return [
          `${style.yellow("…")} ${toSingleLine(data.ref, 200)} is not pushed yet: ${toSingleLine(data.message ?? "", 600)}`,
        ];
      return data.status === "pushed"
        ? [`${style.green("✓")} pushed ${toSingleLine(data.ref, 200)} to ${toSingleLine(data.remote, 200)}`]
        : [
            `${style.red("✗")} ${toSingleLine(data.ref, 200)} was not pushed: ${toSingleLine(data.message ?? "no reason was given", 600)}`,
          ];
    case "failure":
      return [
        `${style.red("✗")} ${getSpeaker(data)}${toSingleLine(data.message, 1000)}`,
        ...(data.next ? [`  ${style.dim("→")} ${toSingleLine(data.next, 400)}`] : []),
      ];
    case "denied":
      return [
        `${style.yellow("!")} The sandbox cannot reach ${toSingleLine(data.host, 200)}: ${toSingleLine(data.reason, 300)}`,
        ...(data.entry === undefined
          ? []
          : [
              `  ${style.dim("→")} Allow it with \`wharf allow ${toSingleLine(data.entry, 260)}${data.allows_private ? " --private" : ""} --task <task>\`.`,
            ]),
      ];
    case "agent_exit":
      return [`${style.yellow("!")} The agent's process ended: ${toSingleLine(data.message, 600)}`];
    case "notice":
      return [`${style.dim("·")} ${getSpeaker(data)}${toSingleLine(data.message, 600)}`];
    case "update":
      return [`${style.dim("·")} The task was changed: ${toSingleLine(data.fields.join(", "), 300)}.`];
    case "comment":
      return [formatCommentEvent(data, style)];
    case "report":
      return formatReport(data);
    case "state":
      return formatState(data, style, detail);
    case "turn":
      return formatTurn(data, style, detail);
    case "session":
      return data.loaded ? [style.dim("· the agent continues its earlier conversation")] : [];
    case "usage":
      return detail ? [style.dim(`· used: ${formatUsage(data)} (measured by the ${data.source})`)] : [];
    case "fs_change":
      return detail ? formatFileChanges(data, style) : [];
    case "agent_info":
      return [];
  }
}

/** Distinguishes a runner's messages from the server's. */
const getSpeaker = ({ source }: EventDataByKind<"notice" | "failure">): string =>
  source === "runner" ? "the runner reports: " : "";

const commentVerbs = { added: "commented", changed: "changed a comment", deleted: "deleted a comment" } as const;

function formatCommentEvent({ by, status, file, line }: EventDataByKind<"comment">, style: Style): string {
  const place = file === undefined ? "" : ` on ${toSingleLine(file, 200)}${line === undefined ? "" : `:${line}`}`;
  return `${style.dim("·")} ${toSingleLine(by)} ${commentVerbs[status]}${place}`;
}

const maxShownChanges = 5;

function formatFileChanges({ changes, overflow }: EventDataByKind<"fs_change">, style: Style): string[] {
  const shownPaths = changes.slice(0, maxShownChanges).map(({ path }) => toSingleLine(path, 200));
  const suffix = changes.length > shownPaths.length ? ` and ${changes.length - shownPaths.length} more` : "";
  if (overflow) return [style.dim("· too many changes in the workspace to list them")];
  return shownPaths.length > 0 ? [style.dim(`· changed: ${shownPaths.join(", ")}${suffix}`)] : [];
}

function formatState(data: EventDataByKind<"state">, style: Style, detail: boolean): string[] {
  const reason = data.reason ? `: ${toSingleLine(data.reason, 300)}` : "";
  const isRetry = data.entity === "run" && data.to === "PENDING" && data.from !== undefined;
  if (isRetry) return [`${style.yellow("!")} The start failed; ${reason.replace(/^: /, "")}`];
  return detail
    ? [
        style.dim(
          `· ${data.entity} ${toSingleLine(data.from === undefined ? data.to : `${data.from} → ${data.to}`)}${reason}`,
        ),
      ]
    : [];
}

function formatTurn(data: EventDataByKind<"turn">, style: Style, detail: boolean): string[] {
  if (data.status === "interrupted")
    return [
      `${style.yellow("!")} The turn was interrupted: ${toSingleLine(data.reason ?? "its progress is unknown", 400)}`,
    ];
  if (data.status === "cancelled") return [`${style.yellow("!")} ${formatCancellation(data.reason)}`];
  if (data.status !== "ended") return [];
  if (data.stop_reason !== "end_turn" && data.stop_reason !== undefined)
    return [`${style.yellow("!")} ${formatStopReason(data.stop_reason)}`];
  return detail ? [style.dim("· the turn ended")] : [];
}

/** The default reason only repeats that the turn was cancelled, so it is left out. */
export const formatCancellation = (reason: string | undefined): string =>
  `The turn was cancelled${!reason || /^(?:it|the turn) was cancelled\.?$/i.test(reason) ? "." : `: ${toSingleLine(reason, 300)}`}`;

const stopTexts: Readonly<Record<string, string>> = {
  max_tokens: "The agent stopped: the model's answer reached its maximum length.",
  max_turn_requests: "The agent stopped: it reached the limit of model requests in one turn.",
  refusal: "The model refused to continue.",
  error: "The turn ended with an error.",
  timeout: "The agent did not respond and was stopped.",
};

/** Explains why an agent stopped. */
export const formatStopReason = (stopReason: string): string =>
  stopTexts[stopReason] ?? `The turn ended: ${toSingleLine(stopReason)}`;

/** Formats a message of an agent that prints JSON lines, in any form. */
function formatReport(data: EventDataByKind<"report">): string[] {
  const { kind: _, ...content } = data;
  const message = ["message", "text", "content"].map((name) => content[name]).find((one) => typeof one === "string");
  const text = toSingleLine(typeof message === "string" ? message : JSON.stringify(content), 400);
  return text === "" || text === "{}" ? [] : [`· ${text}`];
}

type Usage = Omit<EventDataByKind<"usage">, "kind" | "source" | "raw">;

export function formatUsage(usage: { [Name in keyof Usage]: Usage[Name] | undefined }): string {
  const parts = [
    usage.cpu_seconds === undefined ? "" : `${formatDuration(usage.cpu_seconds * 1000)} of CPU time`,
    usage.memory_peak_bytes === undefined ? "" : `${formatSize(usage.memory_peak_bytes)} peak memory`,
    usage.model_requests === undefined || (usage.model_requests === 0 && usage.cpu_seconds === undefined)
      ? ""
      : formatCount(usage.model_requests, "model request"),
    usage.input_tokens === undefined ? "" : `${usage.input_tokens} tokens in`,
    usage.output_tokens === undefined ? "" : `${usage.output_tokens} tokens out`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}
