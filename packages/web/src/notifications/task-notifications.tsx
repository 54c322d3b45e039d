import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Envelope } from "@wharf/client";
import { useEffect } from "react";
import { LiveStream, queries, wharf } from "../api/index.ts";
import { visible } from "../text/index.ts";
import { useNotificationState } from "./choice-store.ts";
import { describeChange, isOwnTask } from "./describe-change.ts";

type StreamMessage = Envelope | { readonly type: "subscribed"; readonly cursor: string } | { readonly type: "error" };

/** Notifies a person who wants it of their tasks, while the page is hidden. */
export function TaskNotifications() {
  const { data: whoami } = useQuery(queries.whoami);
  const isOn = useNotificationState() === "on";
  const navigate = useNavigate();
  const userId = whoami?.user.id;
  useEffect(() => {
    if (!isOn || userId === undefined) return undefined;
    const open = (taskId: string) => {
      window.focus();
      void navigate({ to: "/tasks/$taskId", params: { taskId } });
    };
    const stream = followChanges((envelope) => void notify({ envelope, userId, open }));
    return () => stream[Symbol.dispose]();
  }, [isOn, userId, navigate]);
  return null;
}

/** Follows all boards of the person, and reads on after an interruption. */
function followChanges(onChange: (envelope: Envelope) => void): LiveStream {
  let cursor: string | undefined;
  const stream = new LiveStream({
    getPath: () => "/api/v1/orchestrator/stream",
    getFirstMessage: () => ({ action: "subscribe", everything: true, ...(cursor !== undefined && { cursor }) }),
    onMessage: (message) => {
      const received = message as StreamMessage;
      if (received.type === "subscribed") cursor ??= received.cursor;
      else if (received.type === "error") startAgain();
      else {
        cursor = received.id;
        onChange(received);
      }
    },
  });
  // The page was away for so long that the server has forgotten where.
  const startAgain = () => {
    if (cursor === undefined) return;
    cursor = undefined;
    stream.reopen();
  };
  return stream;
}

interface Notice {
  readonly envelope: Envelope;
  readonly userId: string;
  readonly open: (taskId: string) => void;
}

async function notify({ envelope, userId, open }: Notice): Promise<void> {
  const change = document.hidden ? describeChange(envelope) : undefined;
  if (!change) return;
  const { taskId, text } = change;
  const task = await wharf.tasks.getTask(taskId, { fields: "title,created_by,assignee_id" }).catch(() => undefined);
  if (!task || !isOwnTask(task, userId)) return;
  try {
    // Several tabs show one notification of the same tag.
    const notification = new Notification(visible(task.title).slice(0, 100), {
      body: `The task ${text}.`,
      tag: taskId,
    });
    notification.addEventListener("click", () => open(taskId));
  } catch {
    // Some browsers of phones offer notifications and refuse those of a page.
  }
}
