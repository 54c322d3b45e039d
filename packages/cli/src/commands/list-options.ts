import type { Command } from "commander";
import { z } from "zod";
import type { Cli } from "../cli.ts";
import { createChoiceOption, createIntegerSchema } from "../input/option-values.ts";

/** The options of commands that print a list. */
export const ListOptions = z.object({
  limit: createIntegerSchema({ min: 1, max: 1000 }),
  all: z.boolean().default(false),
});
export type ListOptions = z.infer<typeof ListOptions>;

export const addListOptions = (command: Command, noun: string, limit = 100): Command =>
  command
    .option("--limit <n>", `maximum number of ${noun}`, String(limit))
    .option("--all", `list all ${noun}, however many`);

export const addSortOption = (command: Command, orders: readonly string[]): Command =>
  command.addOption(createChoiceOption("--sort <order>", "order of the list; - means descending", orders));

/** Says that a list has more rows than were printed. */
export function mentionMore({ terminal }: Pick<Cli, "terminal">, page: { next_cursor?: string | undefined }): void {
  if (page.next_cursor !== undefined) terminal.err("There are more; --all shows them.\n");
}
