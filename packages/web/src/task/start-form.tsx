import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Task } from "@wharf/client";
import { type SubmitEvent, useState } from "react";
import { Problem, useAction } from "../actions/index.ts";
import { chooseAgent, queries, wharf } from "../api/index.ts";
import { formatRepository, visible } from "../text/index.ts";
import styles from "./start-form.module.css";

/** Whether a task lacks something without which no agent starts. */
export function useMissing(task: Task): boolean {
  const { data: agentTypes } = useQuery(queries.agentTypes);
  if (task.state !== "TODO" || task.archived_at !== undefined) return false;
  const lacksAgent = task.agent_type === undefined && agentTypes !== undefined && chooseAgent(agentTypes) !== undefined;
  return task.repository_url === undefined || lacksAgent;
}

/** Asks for what a task lacks, and starts it. */
export function StartForm({ task }: { task: Task }) {
  const client = useQueryClient();
  const { data: agentTypes = [] } = useQuery(queries.agentTypes);
  const { data: repositories = [] } = useQuery(queries.recentRepositories(task.board_id));
  const [typedRepository, setRepository] = useState(task.repository_url);
  const [chosenAgent, setAgent] = useState(task.agent_type);
  const repository = typedRepository ?? repositories[0] ?? "";
  const agent = chosenAgent ?? chooseAgent(agentTypes) ?? "";
  const { run, isPending, error } = useAction(async () => {
    const change = { repository_url: repository.trim(), ...(agent !== "" && { agent_type: agent }) };
    client.setQueryData(["task", task.id], await wharf.tasks.updateTask(task.id, change));
    await wharf.orchestrator.triggerTask({ task_id: task.id });
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run();
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <p>Where does the agent work?</p>
      <label>
        Repository
        <input
          required
          list="start-repositories"
          maxLength={2_000}
          placeholder="https, ssh or git address, or a path on the server"
          value={repository}
          onChange={({ target }) => setRepository(target.value)}
        />
      </label>
      <datalist id="start-repositories">
        {repositories.map((url) => (
          <option key={url} value={url}>
            {formatRepository(url)}
          </option>
        ))}
      </datalist>
      <label>
        Agent
        <select value={agent} onChange={({ target }) => setAgent(target.value)}>
          {chooseAgent(agentTypes) === undefined && <option value="">The server's choice</option>}
          {agentTypes
            .filter(({ name, available }) => available || name === agent)
            .map(({ id, name }) => (
              <option key={id} value={name}>
                {visible(name)}
              </option>
            ))}
        </select>
      </label>
      <button type="submit" data-main aria-disabled={isPending}>
        Start
      </button>
      <Problem error={error} />
    </form>
  );
}
