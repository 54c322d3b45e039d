import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Task, Turn } from "@wharf/client";
import { CirclePause, CirclePlay, CircleStop, type LucideIcon } from "lucide-react";
import { Suspense, useState } from "react";
import { Problem, useAction } from "../actions/index.ts";
import { wharf } from "../api/index.ts";
import { usePageCommands } from "../palette/index.ts";
import { useShortcuts } from "../shortcuts/index.ts";
import { createPreloaded } from "../std/index.ts";
import { taskQueries } from "../task-data/task-queries.ts";
import { getRunActions, type RunAction } from "./run-actions.ts";

const ConfirmDialog = createPreloaded(async () => (await import("../dialogs/index.ts")).ConfirmDialog);

interface Labels {
  readonly name: string;
  /** What the button says until the agent has done it: a paused agent first ends its request to a model. */
  readonly pending: string;
  readonly key: string;
  readonly Icon: LucideIcon;
}

const labels: Readonly<Record<RunAction, Labels>> = {
  pause: { name: "Pause", pending: "Pausing…", key: "p", Icon: CirclePause },
  resume: { name: "Resume", pending: "Resuming…", key: "p", Icon: CirclePlay },
  stop: { name: "Stop", pending: "Stopping…", key: "s", Icon: CircleStop },
};

const requests: Readonly<Record<RunAction, (taskId: string) => Promise<Task>>> = {
  pause: (taskId) => wharf.tasks.pauseTask(taskId),
  resume: (taskId) => wharf.tasks.resumeTask(taskId),
  stop: (taskId) => wharf.tasks.stopTask(taskId, { reason: "stopped on the page" }),
};

/** Pauses, resumes and stops the agent, as far as its state allows it. */
export function RunControls({ task, turns }: { task: Task; turns: readonly Turn[] }) {
  const { data: run } = useQuery(taskQueries.run(task.id));
  const actions = getRunActions({ task, run: run ?? undefined, turns });
  const [pausing] = actions.filter((action) => action !== "stop");
  const turn = turns.find(({ state }) => state === "RUNNING");
  return (
    <>
      {/* One button, so that the focus stays on it. */}
      {pausing && <RunButton key={turn?.id} taskId={task.id} action={pausing} />}
      {actions.includes("stop") && <RunButton taskId={task.id} action="stop" />}
    </>
  );
}

function RunButton({ taskId, action }: { taskId: string; action: RunAction }) {
  const client = useQueryClient();
  const { name, pending, key, Icon } = labels[action];
  /** What the server has accepted and the agent has not done yet. */
  const [accepted, setAccepted] = useState<RunAction>();
  const [isConfirming, setConfirming] = useState(false);
  if (accepted !== undefined && accepted !== action) setAccepted(undefined);
  const { run, isPending, error } = useAction(async () => {
    await requests[action](taskId);
    setAccepted(action);
    await client.invalidateQueries({ queryKey: ["task", taskId] });
  });
  const isWaiting = isPending || accepted === action;
  const ask = () => {
    if (isWaiting) return;
    if (action === "stop") setConfirming(true);
    else run();
  };
  useShortcuts({ [key]: ask });
  usePageCommands(() => (isWaiting ? [] : [{ id: action, name: `${name} the agent`, run: ask }]));
  return (
    <>
      <button type="button" onClick={ask} aria-disabled={isWaiting} aria-keyshortcuts={key}>
        <Icon size={16} aria-hidden /> {isWaiting ? pending : name}
      </button>
      <Problem error={error} />
      <Suspense>
        {isConfirming && (
          <ConfirmDialog
            title="Stop the agent?"
            loss="Its turn ends and is not continued. The conversation, the commits and the disk are kept."
            label="Stop"
            onConfirm={run}
            onClose={() => setConfirming(false)}
          />
        )}
      </Suspense>
    </>
  );
}
