import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Task } from "@wharf/client";
import { useState } from "react";
import { Problem } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import type { Choices } from "../../task-data/offer.ts";
import { taskQueries } from "../../task-data/task-queries.ts";
import { visible } from "../../text/index.ts";
import styles from "./composer.module.css";

/** The modes and models that the agent offers. */
export function ChoiceSelects({ task }: { task: Task }) {
  const client = useQueryClient();
  const { data: offer } = useQuery(taskQueries.offer(task.id));
  const [error, setError] = useState<unknown>();
  const change = (request: Promise<Task>) => {
    setError(undefined);
    request.then((changed) => client.setQueryData(["task", task.id], changed)).catch(setError);
  };
  if (!offer) return null;
  return (
    <>
      <ChoiceSelect
        label="Mode"
        choices={offer.mode}
        chosen={task.agent_mode}
        onChoose={(id) => change(wharf.tasks.setTaskMode(task.id, { mode_id: id }))}
      />
      <ChoiceSelect
        label="Model"
        choices={offer.model}
        chosen={task.agent_model}
        onChoose={(id) => change(wharf.tasks.setTaskModel(task.id, { model_id: id }))}
      />
      <Problem error={error} />
    </>
  );
}

interface ChoiceSelectProps {
  readonly label: string;
  readonly choices: Choices;
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
}

function ChoiceSelect({ label, choices: { offered, current }, chosen, onChoose }: ChoiceSelectProps) {
  if (offered.length < 2) return null;
  return (
    <select
      className={styles.choice}
      aria-label={label}
      title={label}
      value={chosen ?? current ?? ""}
      onChange={({ target }) => onChoose(target.value)}
    >
      {offered.map(({ id, name }) => (
        <option key={id} value={id}>
          {visible(name)}
        </option>
      ))}
    </select>
  );
}
