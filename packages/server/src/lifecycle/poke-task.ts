import type { Wakeup } from "../store/index.ts";

/** Wakes the loops that act on a changed task: the queue, the leases and the task's own worker. */
export function pokeTask(wakeup: Wakeup, taskId: string): void {
  for (const name of ["queue", "leases", taskId]) wakeup.poke(name);
}
