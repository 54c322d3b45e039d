import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { tierNames } from "@wharf/contract/tiers";
import { type KeyboardEvent, type SubmitEvent, useEffect, useRef, useState } from "react";
import { chooseAgent, hasServerChoice, perform, queries, useConnectionCheck, wharf } from "../api/index.ts";
import { formatRepository, visible } from "../text/index.ts";
import { BranchField } from "./branch-field.tsx";
import { createTask, findPlaceholders, getDefaultTitle, policies, toDraft, useDraft } from "./draft.ts";
import { Field } from "./field.tsx";
import styles from "./new-task.module.css";

/** Creates a task. The cursor is in the prompt, and everything else has a default. */
export function NewTaskPage({ boardId: wantedBoardId }: { boardId: string | undefined }) {
  const { data: server } = useSuspenseQuery(queries.server);
  const { data: boards } = useSuspenseQuery(queries.boards);
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const { data: agentTypes = [] } = useQuery(queries.agentTypes);
  const { data: templates = [] } = useQuery(queries.templates);
  const writable = boards.filter(({ role }) => role !== "viewer");
  const [chosenBoardId, setBoardId] = useState(wantedBoardId ?? server.default_board_id);
  const boardId = writable.find(({ id }) => id === chosenBoardId)?.id ?? writable[0]?.id;
  const { data: repositories = [] } = useQuery({
    ...queries.recentRepositories(boardId ?? ""),
    enabled: boardId !== undefined,
  });
  const { draft: typed, update, clear } = useDraft();
  const draft = { ...typed, agent: typed.agent || (chooseAgent(agentTypes) ?? "") };
  const [isSending, setSending] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const repository = useRef<HTMLInputElement>(null);
  const navigate = useNavigate();
  const canSetBudget = whoami.permissions.includes("budget:write");
  const placeholders = findPlaceholders(draft);
  useConnectionCheck();
  useEffect(() => {
    document.title = "New task – Wharf";
  }, []);

  const send = async (starts: boolean) => {
    if (boardId === undefined || isSending) return;
    setSending(true);
    let taskId: string | undefined;
    const isDone = await perform(async () => {
      ({ id: taskId } = await createTask(boardId, draft));
      if (starts) await wharf.orchestrator.triggerTask({ task_id: taskId });
    });
    setSending(false);
    if (taskId === undefined) return;
    clear();
    if (starts || !isDone) void navigate({ to: "/tasks/$taskId", params: { taskId } });
    else void navigate({ to: "/boards/$boardId", params: { boardId } });
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void send((event.submitter as HTMLButtonElement | null)?.value !== "create");
  };
  /** A task can wait on the board without a repository. */
  const checkRepository = (starts: boolean) =>
    repository.current?.setCustomValidity(
      starts && draft.repository.trim() === "" ? "An agent needs a repository to start." : "",
    );
  const submitByKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || (!event.ctrlKey && !event.metaKey)) return;
    checkRepository(true);
    form.current?.requestSubmit();
  };

  if (boardId === undefined) return <main className={styles.page}>No board on which you may create tasks.</main>;
  return (
    <main className={styles.page}>
      <h1>New task</h1>
      <form ref={form} className={styles.form} onSubmit={submit} onKeyDown={submitByKey}>
        {templates.length > 0 && (
          <Field label="Template">
            {(input) => (
              <select
                {...input}
                value=""
                onChange={({ target }) => {
                  const template = templates.find(({ id }) => id === target.value);
                  if (template) update(toDraft(template.fields));
                }}
              >
                <option value="">Choose one to fill in the form</option>
                {templates.map(({ id, name, fields }) => (
                  <option key={id} value={id} disabled={fields.budget_usd !== undefined && !canSetBudget}>
                    {visible(name)}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Prompt" hint={placeholders.length > 0 ? `Fill in ${placeholders.join(", ")}.` : undefined}>
          {(input) => (
            <textarea
              {...input}
              autoFocus
              required
              rows={8}
              maxLength={200_000}
              placeholder="What should the agent do?"
              value={draft.prompt}
              onChange={({ target }) => update({ prompt: target.value })}
            />
          )}
        </Field>
        <div className={styles.pair}>
          <Field label="Repository" hint="https, ssh or git address, or a path on the server; needed to start an agent">
            {(input) => (
              <>
                <input
                  {...input}
                  list="repositories"
                  maxLength={2_000}
                  ref={repository}
                  value={draft.repository}
                  onChange={({ target }) => {
                    target.setCustomValidity("");
                    update({ repository: target.value });
                  }}
                />
                <datalist id="repositories">
                  {repositories.map((url) => (
                    <option key={url} value={url}>
                      {formatRepository(url)}
                    </option>
                  ))}
                </datalist>
              </>
            )}
          </Field>
          <BranchField
            repository={draft.repository.trim()}
            branch={draft.branch}
            onChange={(branch) => update({ branch })}
          />
          <Field label="Agent">
            {(input) => (
              <select {...input} value={draft.agent} onChange={({ target }) => update({ agent: target.value })}>
                {hasServerChoice(agentTypes) && <option value="">The server's choice</option>}
                {agentTypes.map(({ id, name, available, unavailable_reason }) => (
                  <option key={id} value={name} disabled={!available}>
                    {available ? visible(name) : `${visible(name)}: ${visible(unavailable_reason ?? "not available")}`}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Permissions">
            {(input) => (
              <select
                {...input}
                value={draft.policy}
                onChange={({ target }) => update({ policy: target.value as typeof draft.policy })}
              >
                <option value="">The default</option>
                {Object.entries(policies).map(([policy, meaning]) => (
                  <option key={policy} value={policy}>
                    {meaning}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Size of the runner">
            {(input) => (
              <select
                {...input}
                value={draft.tier}
                onChange={({ target }) => update({ tier: target.value as typeof draft.tier })}
              >
                <option value="">As the agent needs it</option>
                {tierNames.map((tier) => (
                  <option key={tier}>{tier}</option>
                ))}
              </select>
            )}
          </Field>
          {canSetBudget && (
            <Field label="Budget in US dollars" hint="The task waits when its models have cost that much.">
              {(input) => (
                <input
                  {...input}
                  type="number"
                  min="0.01"
                  step="any"
                  placeholder="no limit"
                  value={draft.budget}
                  onChange={({ target }) => update({ budget: target.value })}
                />
              )}
            </Field>
          )}
          <Field label="Title">
            {(input) => (
              <input
                {...input}
                maxLength={500}
                placeholder={getDefaultTitle(draft) || "the first line of the prompt"}
                value={draft.title}
                onChange={({ target }) => update({ title: target.value })}
              />
            )}
          </Field>
          {writable.length > 1 && (
            <Field label="Board">
              {(input) => (
                <select {...input} value={boardId} onChange={({ target }) => setBoardId(target.value)}>
                  {writable.map(({ id, name }) => (
                    <option key={id} value={id}>
                      {visible(name)}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          )}
        </div>
        <div className={styles.buttons}>
          <button
            className={styles.start}
            disabled={isSending || placeholders.length > 0}
            value="start"
            onClick={() => checkRepository(true)}
          >
            Start <kbd>Ctrl ↵</kbd>
          </button>
          <button disabled={isSending || placeholders.length > 0} value="create" onClick={() => checkRepository(false)}>
            Add to the board
          </button>
        </div>
      </form>
    </main>
  );
}
