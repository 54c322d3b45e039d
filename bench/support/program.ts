import type { Figure } from "./figures.ts";
import { formatTable } from "./figures.ts";

/** Prints the table of a benchmark that runs alone, or sends its figures to `all.ts`. */
export async function presentFigures(measure: () => Promise<Figure[]>): Promise<void> {
  const figures = await measure();
  if (process.send) process.send(figures);
  else process.stdout.write(formatTable(figures));
}

/** Reads the first argument as a number of rounds, megabytes or seconds. */
export const getSize = (otherwise: number): number => Number(process.argv[2] ?? otherwise);

/** Reports progress on stderr, because stdout is for the table. */
export const logProgress = (text: string): void => void process.stderr.write(`${text}\n`);
