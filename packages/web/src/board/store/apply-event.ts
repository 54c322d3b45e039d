import type { Envelope, EventData, PermissionEventData, PhaseEventData, PlanEventData, TaskState } from "@wharf/client";
import { type Card, idle, type LiveState } from "./card.ts";

const phaseTexts: Readonly<Record<PhaseEventData["phase"], string>> = {
  provision: "creating the runner",
  connect: "connecting to the runner",
  clone: "cloning the repository",
  branch: "creating the branch",
  setup: "setting up",
  agent: "starting the agent",
};

/** Returns the card after an event of its task. */
export function applyEvent(card: Card, { type, timestamp, data: { data } }: Envelope): Card {
  if (!data) return card;
  if (type === "task.state_changed" && data.kind === "state") return moveCard(card, data.to as TaskState, timestamp);
  if (data.kind === "update") return { ...card, task: { ...card.task, ...data.values, updated_at: timestamp } };
  const live = applyLiveEvent(card.live, data);
  return live === card.live ? card : { ...card, live };
}

function moveCard({ task, live }: Card, state: TaskState, timestamp: string): Card {
  const hasEnded = state !== "IN_PROGRESS" && state !== "BLOCKED";
  const { failure } = live;
  return {
    task: { ...task, state, updated_at: timestamp },
    live: hasEnded ? { ...idle, ...(state === "FAILED" && { failure }) } : live,
  };
}

function applyLiveEvent(live: LiveState, data: EventData): LiveState {
  switch (data.kind) {
    case "phase":
      if (data.status === "failed") return { ...live, failure: data.message };
      return { ...live, wait: undefined, operation: phaseTexts[data.phase] };
    case "state":
      return data.entity === "run" ? applyRunStatus(live, data.to) : live;
    case "turn":
      if (data.status === "started") return { ...live, wait: undefined, failure: undefined, operation: "working" };
      return data.status === "queued" ? live : { ...live, operation: undefined, progress: undefined };
    case "plan":
      return { ...live, ...describePlan(data) };
    case "permission":
      return { ...live, questions: applyPermission(live.questions, data) };
    case "failure":
      return { ...live, failure: [data.message, data.next].filter(Boolean).join(" ") };
    default:
      return live;
  }
}

function applyRunStatus(live: LiveState, status: string): LiveState {
  if (status === "PENDING") return { ...live, wait: "waiting for a slot", operation: undefined, progress: undefined };
  if (status === "PAUSED") return { ...live, operation: "paused" };
  return status === "RUNNING" ? { ...live, wait: undefined, operation: "working" } : live;
}

function describePlan({ entries }: PlanEventData): Partial<LiveState> {
  const completed = entries.filter(({ status }) => status === "completed").length;
  const current = entries.find(({ status }) => status === "in_progress");
  return {
    progress: entries.length === 0 ? undefined : completed / entries.length,
    ...(current && { operation: current.content }),
  };
}

/** Returns the open questions after one was asked or closed. */
export function applyPermission(
  questions: LiveState["questions"],
  { permission_id, status, title, options, expires_at }: PermissionEventData,
): LiveState["questions"] {
  const otherQuestions = questions.filter((question) => question.permission_id !== permission_id);
  if (status !== "asked") return otherQuestions;
  return [
    ...otherQuestions,
    {
      permission_id,
      ...(title !== undefined && { title }),
      ...(options && { options }),
      ...(expires_at !== undefined && { expires_at }),
    },
  ];
}
