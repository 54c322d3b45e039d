import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Play } from "lucide-react";
import type { ReactNode } from "react";
import { ActionButton, Problem } from "../actions/index.ts";
import styles from "./task-data.module.css";
import { usePermissions } from "./use-permissions.ts";
import type { WorkspacePlace } from "./workspace-place.ts";

interface WorkspaceState {
  readonly isReady: boolean;
  /** Says why the workspace is not there, with what to do about it. */
  readonly notReady: ReactNode;
}

/** Whether the runner with the files is there. Looking at a page starts no runner. */
export function useWorkspace({ id, api, start: startRunner }: WorkspacePlace): WorkspaceState {
  const client = useQueryClient();
  const { canUseTerminals } = usePermissions();
  const { data: info, error } = useQuery({
    queryKey: ["task", id, "workspace"],
    queryFn: ({ signal }) => api.getTaskWorkspace({ signal }),
  });
  const start = async () => {
    await startRunner();
    await client.invalidateQueries({ queryKey: ["task", id, "workspace"] });
  };
  if (info?.is_open && info.state === "READY") return { isReady: true, notReady: null };
  return {
    isReady: false,
    notReady: (
      <div className={styles.failure}>
        <Problem error={error} />
        {info && <p>{getReason(info)}</p>}
        {info?.is_open && info.state === "STOPPED" && canUseTerminals && (
          <ActionButton label="Start the runner" Icon={Play} send={start} />
        )}
      </div>
    ),
  };
}

function getReason({
  runner_id: runnerId,
  state,
  is_open: isOpen,
}: {
  runner_id?: string;
  state?: string;
  is_open: boolean;
}): string {
  if (runnerId === undefined) return "The task has no runner yet. It gets one with the first prompt.";
  if (state === "DESTROYED") return "The runner is destroyed, and its files with it.";
  if (!isOpen) return "The work on this task has ended. The next prompt opens its workspace again.";
  return state === "STOPPED" ? "The runner is stopped. Its files are kept." : "The runner is being prepared.";
}
