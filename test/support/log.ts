import { setTimeout as sleep } from "node:timers/promises";
import type { Event, Task } from "@wharf/contract";
import { expect } from "vitest";
import { getAgentText, type ServerHarness } from "./server-harness.ts";

type Named = Pick<Task, "id">;

/**
 * Reads a task's log and checks that it has no gap and still begins with the events read before.
 */
export async function readWholeLog(wharf: ServerHarness, task: Named, before: readonly Event[] = []): Promise<Event[]> {
  const events = await wharf.events(task.id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  expect(events.slice(0, before.length)).toEqual(before);
  return events;
}

/** Waits until the task is no longer in progress, and returns it. */
export async function waitUntilSettled(wharf: ServerHarness, task: Named, timeoutMs = 30_000): Promise<Task> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const now = await wharf.task(task.id);
    if (now.state !== "IN_PROGRESS") return now;
    const last = async () => JSON.stringify((await wharf.events(task.id)).at(-1)?.data);
    if (Date.now() > deadline) throw new Error(`the task is still in progress: ${await last()}`);
    await sleep(50);
  }
}

export const getFailures = (events: readonly Event[]) =>
  events.flatMap(({ data }) => (data.kind === "failure" ? [data] : []));

/**
 * Another task on the same server, which started before any failure, and whose log is checked to
 * the end.
 */
export class Bystander {
  readonly #wharf: ServerHarness;
  readonly #task: Task;
  #turns: Promise<Event[]> = Promise.resolve([]);

  private constructor(wharf: ServerHarness, task: Task) {
    this.#wharf = wharf;
    this.#task = task;
  }

  static async at(wharf: ServerHarness, repository: string): Promise<Bystander> {
    return new Bystander(wharf, await wharf.createTask({ title: "Bystander", repository_url: repository }));
  }

  /** Checks that the task completes a turn. Concurrent callers get one turn at a time. */
  async works(): Promise<void> {
    const mine = this.#turns.then(async (before) => {
      expect(getAgentText(await this.#wharf.turn(this.#task, "demo: say all is well"))).toBe("all is well\n");
      return readWholeLog(this.#wharf, this.#task, before);
    });
    this.#turns = mine.catch(() => []);
    await mine;
  }
}
