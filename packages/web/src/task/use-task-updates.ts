import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { TaskLog } from "../timeline/index.ts";

/** The cached answers that events of a kind change: the beginnings of their keys. */
const changedKeys: Readonly<Record<string, readonly string[]>> = {
  agent_info: ["offer"],
  comment: ["task"],
  commit: ["task", "changes", "files"],
  fs_change: ["changes", "files"],
  permission: ["task"],
  push: ["task"],
  session: ["offer"],
  state: ["task"],
  turn: ["task", "changes"],
  update: ["task"],
  usage: ["task"],
};
/** A busy agent changes much at once; the page asks again at most this often. */
const refreshIntervalMs = 1_000;

/** Asks again for what the page shows of a task, whenever its log says that it changed. */
export function useTaskUpdates(taskId: string, { log }: TaskLog): void {
  const client = useQueryClient();
  useEffect(() => {
    let seenSeq = log.lastSeq;
    let timer = 0;
    const pendingKeys = new Set<string>();
    const refresh = () => {
      timer = 0;
      if (pendingKeys.size === 0) return;
      for (const key of pendingKeys) void client.invalidateQueries({ queryKey: [key, taskId] });
      pendingKeys.clear();
      timer = window.setTimeout(refresh, refreshIntervalMs);
    };
    const unsubscribe = log.subscribe(() => {
      const { events } = log;
      for (let index = events.length - 1; index >= 0; index--) {
        const event = events[index];
        if (!event || event.seq <= seenSeq) break;
        for (const key of changedKeys[event.data.kind] ?? []) pendingKeys.add(key);
      }
      seenSeq = log.lastSeq;
      if (timer === 0) refresh();
    });
    return () => {
      unsubscribe();
      window.clearTimeout(timer);
    };
  }, [client, log, taskId]);
}
