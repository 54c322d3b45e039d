import type { EventDataByKind } from "@wharf/contract";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

type Permission = EventDataByKind<"permission">;

/** Formats the agent's question and its numbered answers. */
export function formatQuestion(question: Permission, style: Style): string[] {
  const options = (question.options ?? []).map(
    ({ name, option_kind }, i) =>
      `    ${i + 1}  ${toSingleLine(name, 80)} ${style.dim(`(${toSingleLine(option_kind, 30)})`)}`,
  );
  return [
    `${style.yellow("?")} ${style.bold("The agent asks:")} ${toSingleLine(question.title ?? "May it continue?", 400)}`,
    ...options,
  ];
}

/** Returns whether the request was refused, by anyone. */
export function isRefusal(data: Permission, question: Permission | undefined): boolean {
  if (data.status === "timed_out") return true;
  if (data.status !== "answered") return false;
  const options = data.options ?? question?.options;
  const chosen = options?.find(({ option_id }) => option_id === data.option_id);
  return data.option_id === undefined || chosen?.option_kind.startsWith("reject") === true;
}

/** Formats the outcome of a question, unless the policy answered it. */
export function formatAnswer(data: Permission, question: Permission | undefined, style: Style): string | undefined {
  if (data.status === "asked" || data.by === "policy") return undefined;
  if (data.status === "timed_out") return `${style.yellow("!")} No answer arrived in time: the request was refused.`;
  if (data.status === "cancelled") return `${style.dim("·")} The question was withdrawn.`;
  const option = question?.options?.find(({ option_id }) => option_id === data.option_id);
  return `${style.green("✓")} Answered: ${option ? toSingleLine(option.name, 80) : toSingleLine(data.option_id ?? "refused", 80)}`;
}

/** Finds the option for an answer: its number, its id, or a unique prefix of its name or kind. */
export function getOptionId(answer: string, options: NonNullable<Permission["options"]>): string | undefined {
  const text = answer.trim().toLowerCase();
  if (text === "") return undefined;
  const byNumber = /^\d+$/.test(text) ? options[Number(text) - 1] : undefined;
  const exact = byNumber ?? options.find(({ option_id }) => option_id.toLowerCase() === text);
  if (exact) return exact.option_id;
  const alike = options.filter(
    ({ name, option_kind }) => name.toLowerCase().startsWith(text) || option_kind.toLowerCase().startsWith(text),
  );
  if (alike.length === 1) return alike[0]?.option_id;
  // "allow" means once if an agent offers both once and always.
  return alike.find(({ option_kind }) => option_kind.endsWith("_once"))?.option_id;
}
