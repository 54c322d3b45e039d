import { useCallback, useState } from "react";

const getKey = (taskId: string): string => `wharf:draft:${taskId}`;

/** What a person typed for a task, which stays until it is sent, also after a reload. */
export function useDraft(taskId: string): [string, (text: string) => void] {
  const [text, setText] = useState(() => read(taskId));
  const save = useCallback(
    (newText: string) => {
      setText(newText);
      write(taskId, newText);
    },
    [taskId],
  );
  return [text, save];
}

function read(taskId: string): string {
  try {
    return localStorage.getItem(getKey(taskId)) ?? "";
  } catch {
    return ""; // a browser may refuse storage
  }
}

function write(taskId: string, text: string): void {
  try {
    if (text === "") localStorage.removeItem(getKey(taskId));
    else localStorage.setItem(getKey(taskId), text);
  } catch {
    // Without storage a draft lives as long as the page.
  }
}
