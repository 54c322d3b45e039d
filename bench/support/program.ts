import type { Figure } from "./figures.ts";
import { table } from "./figures.ts";

/** A benchmark run by itself prints its table; one that `all.ts` started hands its figures over. */
export async function present(measure: () => Promise<Figure[]>): Promise<void> {
  const figures = await measure();
  if (process.send) process.send(figures);
  else process.stdout.write(table(figures));
}

/** The first argument as a number of rounds, megabytes or seconds. */
export const size = (otherwise: number): number => Number(process.argv[2] ?? otherwise);

/** Says on stderr how far it is: stdout is for the table. */
export const tell = (text: string): void => void process.stderr.write(`${text}\n`);
