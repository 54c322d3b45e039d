import { useQueryClient } from "@tanstack/react-query";
import type { Task } from "@wharf/client";
import { Undo2 } from "lucide-react";
import { ActionButton } from "../actions/index.ts";
import { wharf } from "../api/index.ts";

/**
 * Returns a file to its state before the task, and commits that. The earlier commit keeps the
 * changes; the timeline names it.
 */
export function DiscardFile({ task, path, base }: { task: Task; path: string; base: string }) {
  const client = useQueryClient();
  const discard = async () => {
    const workspace = wharf.taskWorkspace(task.id);
    await workspace.gitCommit(); // changes that are not committed yet can be brought back, too
    await workspace.gitRestore({ paths: [path], from: base, untracked: true });
    await workspace.gitCommit({ message: `Discard the changes of ${path}`.slice(0, 2_000) });
    await client.invalidateQueries({ queryKey: ["changes", task.id] });
  };
  return <ActionButton label="Discard" Icon={Undo2} send={discard} />;
}
