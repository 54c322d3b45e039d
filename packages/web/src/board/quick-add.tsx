import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type SubmitEvent, useRef } from "react";
import { chooseAgent, perform, queries, wharf } from "../api/index.ts";
import { useBoardContext } from "./board-context.ts";
import styles from "./board.module.css";

/**
 * Adds a task from one line of text, which is its title and its prompt. The repository is that of
 * the latest task.
 */
export function QuickAdd({ boardId }: { boardId: string }) {
  const { store } = useBoardContext();
  const input = useRef<HTMLInputElement>(null);
  const { data: agentTypes = [] } = useQuery(queries.agentTypes);
  const { data: repositories = [] } = useQuery(queries.recentRepositories(boardId));
  const add = async (event: SubmitEvent) => {
    event.preventDefault();
    const title = input.current?.value.trim() ?? "";
    if (!input.current || title === "") return;
    const agent = chooseAgent(agentTypes);
    const isAdded = await perform(async () => {
      const task = await wharf.tasks.createTask(boardId, {
        title: title.slice(0, 500),
        description: title,
        ...(repositories[0] !== undefined && { repository_url: repositories[0] }),
        ...(agent !== undefined && { agent_type: agent }),
      });
      const { description: _description, metadata: _metadata, ...summary } = task;
      store.setTask(summary);
    });
    // What was typed stays if it could not be added, and so does what was typed since.
    if (isAdded && input.current.value.trim() === title) input.current.value = "";
  };
  return (
    <form className={styles.quickAdd} onSubmit={(event) => void add(event)}>
      <Plus size={16} aria-hidden />
      <input ref={input} aria-label="Add a task" placeholder="Add a task" maxLength={5_000} enterKeyHint="done" />
    </form>
  );
}
