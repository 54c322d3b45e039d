import { useQueryClient } from "@tanstack/react-query";
import type { Turn } from "@wharf/client";
import { Clock, X } from "lucide-react";
import { ActionButton } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import { visibleText } from "../../text/index.ts";
import styles from "./composer.module.css";

/** The prompts that wait for the end of the turn. */
export function PromptQueue({ taskId, turns }: { taskId: string; turns: readonly Turn[] }) {
  const client = useQueryClient();
  const queued = turns.filter(({ state }) => state === "QUEUED");
  if (queued.length === 0) return null;
  const withdraw = async (turn: Turn) => {
    await wharf.tasks.cancelTurn(taskId, turn.id);
    await client.invalidateQueries({ queryKey: ["task", taskId] });
  };
  return (
    <ol className={styles.queue} aria-label="Queued prompts">
      {queued.map((turn) => (
        <li key={turn.id}>
          <Clock size={14} aria-hidden /> <span>{visibleText(turn.prompt)}</span>
          <ActionButton label="Withdraw" Icon={X} isSmall send={() => withdraw(turn)} />
        </li>
      ))}
    </ol>
  );
}
