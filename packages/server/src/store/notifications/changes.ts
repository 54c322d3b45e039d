import { z } from "zod";
import { parseJson } from "../../std/json.ts";

/** PostgreSQL refuses a payload of 8,000 bytes or more. */
const maxPayload = 7_900; // bytes
/** Size of a payload without entries. */
const emptyPayload = 150; // bytes
/**
 * Maximum number of pending changes. Beyond it a notification asks the other processes to check
 * everything.
 */
const maxEntries = 10_000;

/** Changes in one process that concern the others. */
export interface Changes {
  /** The tasks whose logs have grown, with the last sequence of each. */
  readonly tasks: ReadonlyMap<string, number>;
  /** The names of the subscribers to wake. */
  readonly names: ReadonlySet<string>;
  /** Wakes every subscriber. */
  readonly everyone: boolean;
  /** Changes were dropped: receivers have to check everything. */
  readonly missed: boolean;
}

/** The format of a payload. Its keys are short because payloads are limited. */
const Payload = z.object({
  from: z.string().max(64),
  tasks: z.array(z.tuple([z.string().max(64), z.number().int().nonnegative()])).default([]),
  names: z.array(z.string().max(200)).default([]),
  everyone: z.boolean().default(false),
  missed: z.boolean().default(false),
});

/** Collects changes until they are sent: of several changes to one task only the last counts. */
export class ChangeBatch implements Changes {
  readonly tasks = new Map<string, number>();
  readonly names = new Set<string>();
  everyone = false;
  missed = false;

  get isEmpty(): boolean {
    return this.tasks.size === 0 && this.names.size === 0 && !this.everyone && !this.missed;
  }

  addTask(taskId: string, lastSeq: number): void {
    this.tasks.set(taskId, Math.max(lastSeq, this.tasks.get(taskId) ?? 0));
    this.#dropExcess();
  }

  addName(name: string): void {
    this.names.add(name);
    this.#dropExcess();
  }

  /** Restores changes that could not be sent. */
  addAll({ tasks, names, everyone, missed }: Changes): void {
    for (const [taskId, lastSeq] of tasks) this.addTask(taskId, lastSeq);
    for (const name of names) this.addName(name);
    this.everyone ||= everyone;
    this.missed ||= missed;
  }

  #dropExcess(): void {
    if (this.tasks.size + this.names.size <= maxEntries) return;
    this.tasks.clear();
    this.names.clear();
    this.missed = true;
  }
}

/** Splits changes into as many payloads as they need. */
export function encodeChanges(senderName: string, { tasks, names, everyone, missed }: Changes): string[] {
  const createPayload = () => ({ from: senderName, tasks: [] as [string, number][], names: [] as string[] });
  const payloads: string[] = [];
  let current = createPayload();
  let bytes = emptyPayload;
  const reserveBytes = (entry: unknown) => {
    const needed = Buffer.byteLength(JSON.stringify(entry)) + 1;
    if (bytes + needed > maxPayload) {
      payloads.push(JSON.stringify(current));
      current = createPayload();
      bytes = emptyPayload;
    }
    bytes += needed;
  };
  for (const task of tasks) {
    reserveBytes(task);
    current.tasks.push(task);
  }
  for (const name of names) {
    reserveBytes(name);
    current.names.push(name);
  }
  payloads.push(JSON.stringify({ ...current, ...(everyone && { everyone }), ...(missed && { missed }) }));
  return payloads;
}

/**
 * Parses a payload of another process. Ignores this process's own, and payloads that no Wharf
 * server wrote.
 */
export function parseChanges(ownName: string, payload: string): Changes | undefined {
  const parsed = Payload.safeParse(parseJson(payload));
  if (!parsed.success || parsed.data.from === ownName) return undefined;
  const { tasks, names, everyone, missed } = parsed.data;
  return { tasks: new Map(tasks), names: new Set(names), everyone, missed };
}
