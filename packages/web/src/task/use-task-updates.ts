import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
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
export function useTaskUpdates(taskId: string, { log, version }: TaskLog): void {
  const client = useQueryClient();
  const seenSeq = useRef(log.lastSeq);
  const pendingKeys = useRef(new Set<string>());
  const timer = useRef(0);
  useEffect(() => {
    const { events } = log;
    for (let index = events.length - 1; index >= 0 && events[index]!.seq > seenSeq.current; index--)
      for (const key of changedKeys[events[index]!.data.kind] ?? []) pendingKeys.current.add(key);
    seenSeq.current = log.lastSeq;
    const refresh = () => {
      timer.current = 0;
      if (pendingKeys.current.size === 0) return;
      for (const key of pendingKeys.current) void client.invalidateQueries({ queryKey: [key, taskId] });
      pendingKeys.current.clear();
      timer.current = window.setTimeout(refresh, refreshIntervalMs);
    };
    if (timer.current === 0) refresh();
  }, [client, log, taskId, version]);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      timer.current = 0;
    },
    [],
  );
}
