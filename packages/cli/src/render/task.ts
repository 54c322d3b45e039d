import type {
  Dependency,
  QueueWait,
  ResourceSums,
  Run,
  Task,
  TaskState,
  TaskStatus,
  TaskSummary,
  Turn,
  UsageSums,
} from "@wharf/contract";
import { formatIsolationLevel } from "./isolation.ts";
import { formatAge, formatWait } from "./numbers.ts";
import { formatResourcesLine } from "./resources.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { formatFields, type TableStyle, maxCellLength, formatTable } from "./table.ts";
import { formatUsageLine } from "./usage.ts";

const stateColours: Readonly<Record<TaskState, keyof Style>> = {
  TODO: "dim",
  IN_PROGRESS: "cyan",
  BLOCKED: "yellow",
  REVIEW: "blue",
  COMPLETED: "green",
  FAILED: "red",
  CANCELLED: "dim",
};

const formatState = (state: TaskState, style: Style): string => style[stateColours[state]](state);

export function formatTaskTable(tasks: readonly TaskSummary[], look: TableStyle): string {
  const rows = tasks.map((task) => [
    task.id.slice(0, 8),
    `${formatState(task.state, look.style)}${formatStateNote(task)}`,
    toSingleLine(task.agent_type ?? "–", 60),
    formatAge(task.updated_at),
    toSingleLine(task.title, maxCellLength),
  ]);
  return formatTable(["TASK", "STATE", "AGENT", "CHANGED", "TITLE"], rows, look);
}

/** Says why a task does not work at the moment, for its state in a list. */
function formatStateNote({ resume_at, waits_for_tasks: ids = [] }: TaskSummary): string {
  if (resume_at) return ` (resumes ${formatWait(resume_at)})`;
  const [first, ...others] = ids;
  if (first === undefined) return "";
  return ` (waits for ${first.slice(0, 8)}${others.length > 0 ? ` and ${others.length} more` : ""})`;
}

export function formatTask(
  shown: {
    task: Task;
    status: TaskStatus;
    dependencies: readonly Dependency[];
    turns: readonly Turn[];
    agents: readonly Run[];
    usage?: UsageSums;
    resources?: ResourceSums;
  },
  look: TableStyle,
): string {
  const { style } = look;
  const { task, turns, usage, resources } = shown;
  const [run] = shown.agents;
  const fields = formatFields(
    [
      ["task", task.id],
      ["state", formatState(task.state, style)],
      ["resumes", task.resume_at && formatResume(task.resume_at)],
      ["agent", task.agent_type && toSingleLine(task.agent_type)],
      ["repository", task.repository_url && toSingleLine(task.repository_url, 300)],
      ["base", toSingleLine([task.branch, task.base_commit_sha?.slice(0, 10)].filter(Boolean).join(" @ "), 300)],
      ["branch", toSingleLine(task.shadow_branch, 300)],
      ["mode", task.agent_mode && toSingleLine(task.agent_mode, 200)],
      ["model", task.agent_model && toSingleLine(task.agent_model, 200)],
      ["tier", run?.tier ?? task.tier],
      ["policy", task.permission_policy],
      ["run", run && formatRun(run, style)],
      ["depends on", shown.dependencies.map(formatDependency).join(", ")],
      ["progress", formatProgress(shown.status)],
      ["waits for", shown.status.queue && formatQueueWait(shown.status.queue)],
      ["usage", usage && formatUsageLine(usage)],
      ["resources", resources && formatResourcesLine(resources)],
      ["error", run?.error_message && style.red(toSingleLine(run.error_message, 400))],
      ["archived", task.archived_at && `${toSingleLine(task.archived_at, 40)} (${formatAge(task.archived_at)})`],
      ["changed", `${toSingleLine(task.updated_at)} (${formatAge(task.updated_at)})`],
    ],
    style,
  );
  const description =
    task.description.trim() === task.title.trim()
      ? ""
      : `\n${toSafeText(task.description).trim().replaceAll(/^/gm, "  ")}\n`;
  return `${style.bold(toSingleLine(task.title, 500))}\n${fields}${description}${turns.length > 0 ? `\n${formatTurnTable(turns, look)}` : ""}`;
}

/** Formats what the agent does in its turn; the run's line already has its phase and status. */
function formatProgress({ progress, current_operation, estimated_completion: end, ...status }: TaskStatus): string {
  const isTurnOpen = status.state === "IN_PROGRESS" && status.active && status.queue === undefined;
  const parts = [
    progress === undefined ? "" : `${progress} %`,
    isTurnOpen && current_operation !== undefined ? toSingleLine(current_operation, 200) : "",
    end === undefined ? "" : `may end ${formatWait(end)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

const formatDependency = ({ task_id, state }: Dependency): string => `${task_id.slice(0, 8)} (${state ?? "deleted"})`;

export function formatQueueWait({ reason, position, estimated_start: start }: QueueWait): string {
  const parts = [
    toSingleLine(reason, 400),
    position === undefined ? "" : `Position ${position}.`,
    start === undefined ? "" : `It may start ${formatWait(start)}.`,
  ];
  return parts.filter(Boolean).join(" ");
}

export const formatResume = (time: string): string =>
  `${toSingleLine(time, 40)} (${formatWait(time)}), after the limit of the model's provider`;

export const formatRun = ({ id, status, phase, isolation, backend, attempt }: Run, style: Style): string =>
  [
    `${id.slice(0, 8)} ${status}`,
    phase && toSingleLine(phase, 40),
    isolation && formatIsolationLevel(isolation, style),
    backend && toSingleLine(backend, 40),
    attempt > 1 ? `attempt ${attempt}` : "",
  ]
    .filter(Boolean)
    .join(", ");

function formatTurnTable(turns: readonly Turn[], { style, width }: TableStyle): string {
  const rows = turns.map((turn, i) => [
    String(i + 1),
    turn.cancel_asked && turn.state === "RUNNING" ? "ENDING" : turn.state,
    toSingleLine(turn.stop_reason ?? "–", 40),
    formatAge(turn.created_at),
    toSingleLine(turn.prompt, maxCellLength),
  ]);
  const indent = "  ";
  const look = { style, width: width && width - indent.length };
  return formatTable(["TURN", "STATE", "STOP REASON", "CREATED", "PROMPT"], rows, look).replaceAll(/^(?=.)/gm, indent);
}
