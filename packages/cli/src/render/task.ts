import type { Run, Task, TaskState, TaskSummary, Turn } from "@wharf/contract";
import { clean, oneLine } from "./clean.ts";
import { shownIsolation } from "./isolation.ts";
import { ago } from "./numbers.ts";
import type { Style } from "./style.ts";
import { fields, type Look, longestCell, table } from "./table.ts";

const paints: Readonly<Record<TaskState, keyof Style>> = {
  TODO: "dim",
  IN_PROGRESS: "cyan",
  BLOCKED: "yellow",
  REVIEW: "blue",
  COMPLETED: "green",
  FAILED: "red",
  CANCELLED: "dim",
};

const stateText = (state: TaskState, style: Style): string => style[paints[state]](state);

export function taskTable(tasks: readonly TaskSummary[], look: Look): string {
  const rows = tasks.map((task) => [
    task.id.slice(0, 8),
    stateText(task.state, look.style),
    oneLine(task.agent_type ?? "–", 60),
    ago(task.updated_at),
    oneLine(task.title, longestCell),
  ]);
  return table(["TASK", "STATE", "AGENT", "CHANGED", "TITLE"], rows, look);
}

export function taskText(
  { task, turns, agents }: { task: Task; turns: readonly Turn[]; agents: readonly Run[] },
  look: Look,
): string {
  const { style } = look;
  const [run] = agents;
  const about = fields(
    [
      ["task", task.id],
      ["state", stateText(task.state, style)],
      ["agent", task.agent_type && oneLine(task.agent_type)],
      ["repository", task.repository_url && oneLine(task.repository_url, 300)],
      ["begins at", oneLine([task.branch, task.base_commit_sha?.slice(0, 10)].filter(Boolean).join(" @ "), 300)],
      ["branch", oneLine(task.shadow_branch, 300)],
      ["mode", task.agent_mode && oneLine(task.agent_mode, 200)],
      ["model", task.agent_model && oneLine(task.agent_model, 200)],
      ["policy", task.permission_policy],
      ["run", run && runText(run, style)],
      ["error", run?.error_message && style.red(oneLine(run.error_message, 400))],
      ["changed", `${oneLine(task.updated_at)} (${ago(task.updated_at)})`],
    ],
    style,
  );
  const told =
    task.description.trim() === task.title.trim()
      ? ""
      : `\n${clean(task.description).trim().replaceAll(/^/gm, "  ")}\n`;
  return `${style.bold(oneLine(task.title, 500))}\n${about}${told}${turns.length > 0 ? `\n${turnTable(turns, look)}` : ""}`;
}

const runText = ({ id, status, phase, isolation, backend, attempt }: Run, style: Style): string =>
  [
    `${id.slice(0, 8)} ${status}`,
    phase && oneLine(phase, 40),
    isolation && shownIsolation(isolation, style),
    backend && oneLine(backend, 40),
    attempt > 1 ? `attempt ${attempt}` : "",
  ]
    .filter(Boolean)
    .join(", ");

function turnTable(turns: readonly Turn[], { style, width }: Look): string {
  const rows = turns.map((turn, i) => [
    String(i + 1),
    turn.cancel_asked && turn.state === "RUNNING" ? "ENDING" : turn.state,
    oneLine(turn.stop_reason ?? "–", 40),
    ago(turn.created_at),
    oneLine(turn.prompt, longestCell),
  ]);
  const indent = "  ";
  const look = { style, width: width && width - indent.length };
  return table(["TURN", "STATE", "STOPPED BY", "ASKED", "PROMPT"], rows, look).replaceAll(/^(?=.)/gm, indent);
}
