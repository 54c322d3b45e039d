import type { AgentType } from "@wharf/client";

/** Whether the server finds an agent for a task that names none: one that has a model. */
export const hasServerChoice = (types: readonly AgentType[]): boolean =>
  types.some(({ name, available, model_route }) => available && (name === "wharf" || model_route !== undefined));

/** Returns the agent that a new task has to name, because the server would find none for it. */
export const chooseAgent = (types: readonly AgentType[]): string | undefined =>
  hasServerChoice(types) ? undefined : types.find(({ available }) => available)?.name;
