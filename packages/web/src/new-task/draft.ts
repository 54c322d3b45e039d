import type { PermissionPolicy, Task, TemplateFields } from "@wharf/client";
import { tierNames } from "@wharf/contract/tiers";
import { useCallback, useState } from "react";
import { z } from "zod";
import { wharf } from "../api/index.ts";

const text = z.string().default("");

/** What is typed into the form. An empty field leaves the choice to the server. */
const Draft = z.object({
  prompt: text,
  title: text,
  repository: text,
  branch: text,
  agent: text,
  tier: z.enum(["", ...tierNames]).default(""),
  policy: z.enum(["", "ask", "allow-edits", "allow-all"]).default(""),
  budget: text,
});
export type Draft = z.infer<typeof Draft>;

export const policies: Readonly<Record<PermissionPolicy, string>> = {
  ask: "Asks before edits and commands",
  "allow-edits": "Edits freely, asks before commands",
  "allow-all": "Never asks",
};

const storageKey = "wharf.new-task";
const maxTitle = 100;

/** The draft outlives the page: nothing that was typed is lost. */
export function useDraft() {
  const [draft, setDraft] = useState(readDraft);
  const update = useCallback((change: Partial<Draft>) => {
    setDraft((previous) => {
      const next = { ...previous, ...change };
      window.localStorage.setItem(storageKey, JSON.stringify(next));
      return next;
    });
  }, []);
  /** The next task probably has the same choices, and another prompt. */
  const clear = useCallback(() => update({ prompt: "", title: "", branch: "", budget: "" }), [update]);
  return { draft, update, clear };
}

function readDraft(): Draft {
  try {
    return Draft.parse(JSON.parse(window.localStorage.getItem(storageKey) ?? "{}"));
  } catch {
    return Draft.parse({});
  }
}

/** Returns what a template puts into the form. */
export const toDraft = (fields: TemplateFields): Partial<Draft> => ({
  prompt: fields.description,
  title: fields.title ?? "",
  repository: fields.repository_url ?? "",
  branch: fields.branch ?? "",
  agent: fields.agent_type ?? "",
  tier: fields.tier ?? "",
  policy: fields.permission_policy ?? "",
  budget: fields.budget_usd === undefined ? "" : String(fields.budget_usd),
});

/** Lists the places of a template that still need a value. */
export const findPlaceholders = ({ prompt, title }: Draft): readonly string[] => [
  ...new Set(`${title}\n${prompt}`.match(/\{\{[^{}]+\}\}/g)),
];

/** The title that a task gets without one: the first line of its prompt. */
export const getDefaultTitle = ({ prompt }: Draft): string =>
  prompt.trim().split("\n")[0]?.slice(0, maxTitle).trim() ?? "";

export async function createTask(boardId: string, draft: Draft): Promise<Task> {
  const { title, repository, branch, agent, tier, policy, budget } = draft;
  const task = await wharf.tasks.createTask(boardId, {
    title: title.trim() === "" ? getDefaultTitle(draft) : title,
    description: draft.prompt,
    ...(repository.trim() !== "" && { repository_url: repository.trim() }),
    ...(branch.trim() !== "" && { branch: branch.trim() }),
    ...(agent !== "" && { agent_type: agent }),
    ...(tier !== "" && { tier }),
    ...(policy !== "" && { permission_policy: policy }),
  });
  if (budget !== "") await wharf.budgets.setBudget({ task_id: task.id, amount_usd: Number(budget) });
  return task;
}
