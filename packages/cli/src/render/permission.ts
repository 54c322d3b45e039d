import type { EventDataOf } from "@wharf/contract";
import { oneLine } from "./clean.ts";
import type { Style } from "./style.ts";

type Permission = EventDataOf<"permission">;

/** What the agent asks and the answers it takes, numbered. */
export function questionLines(asked: Permission, style: Style): string[] {
  const options = (asked.options ?? []).map(
    ({ name, option_kind }, i) => `    ${i + 1}  ${oneLine(name, 80)} ${style.dim(`(${oneLine(option_kind, 30)})`)}`,
  );
  return [
    `${style.yellow("?")} ${style.bold("The agent asks:")} ${oneLine(asked.title ?? "may it go on?", 400)}`,
    ...options,
  ];
}

/** Whether what was asked for was not allowed, by whomever. */
export function isRefusal(data: Permission, asked: Permission | undefined): boolean {
  if (data.status === "timed_out") return true;
  if (data.status !== "answered") return false;
  const options = data.options ?? asked?.options;
  const chosen = options?.find(({ option_id }) => option_id === data.option_id);
  return data.option_id === undefined || chosen?.option_kind.startsWith("reject") === true;
}

/** What became of a question, where it was not the policy that answered. */
export function answerLine(data: Permission, asked: Permission | undefined, style: Style): string | undefined {
  if (data.status === "asked" || data.by === "policy") return undefined;
  if (data.status === "timed_out") return `${style.yellow("!")} Nobody answered in time: it was refused.`;
  if (data.status === "cancelled") return `${style.dim("·")} The question was withdrawn.`;
  const option = asked?.options?.find(({ option_id }) => option_id === data.option_id);
  return `${style.green("✓")} Answered: ${option ? oneLine(option.name, 80) : oneLine(data.option_id ?? "refused", 80)}`;
}

/** The option a person means: its number, its id, or the beginning of its name or kind if only one begins so. */
export function chooseOption(answer: string, options: NonNullable<Permission["options"]>): string | undefined {
  const wish = answer.trim().toLowerCase();
  if (wish === "") return undefined;
  const byNumber = /^\d+$/.test(wish) ? options[Number(wish) - 1] : undefined;
  const exact = byNumber ?? options.find(({ option_id }) => option_id.toLowerCase() === wish);
  if (exact) return exact.option_id;
  const alike = options.filter(
    ({ name, option_kind }) => name.toLowerCase().startsWith(wish) || option_kind.toLowerCase().startsWith(wish),
  );
  if (alike.length === 1) return alike[0]?.option_id;
  // "allow" means once where an agent offers once and always.
  return alike.find(({ option_kind }) => option_kind.endsWith("_once"))?.option_id;
}
