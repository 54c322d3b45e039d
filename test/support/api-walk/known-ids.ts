import { z } from "zod";
import type { Operation } from "./operations.ts";

/** Operations after which something is gone, or behaves differently, for all later requests. */
const destructiveNames: ReadonlySet<string> = new Set([
  "archiveTask",
  "cancelTask",
  "changePassword",
  "createUserLink",
  "setMemberRole",
  "setTaskState",
  "stopAgent",
  "stopRunner",
  "stopTask",
]);

const maxCreated = 20;
const Created = z.looseObject({ id: z.string().optional(), username: z.string().optional() });

/**
 * The ids that requests name: those of the beginning, which stay, and those that the walk creates,
 * which it may also delete.
 */
export class KnownIds {
  readonly #lasting: ReadonlyMap<string, string>;
  readonly #created = new Map<string, string[]>();

  constructor(lasting: Readonly<Record<string, string>>) {
    this.#lasting = new Map(Object.entries(lasting));
  }

  /** Chooses an id for a parameter. */
  choose({ method, name }: Operation, parameter: string, index: number): string {
    const created = this.#created.get(parameter) ?? [];
    const lasting = this.#lasting.get(parameter);
    const isDestructive = method === "DELETE" || destructiveNames.has(name);
    const choices = lasting === undefined || isDestructive ? created : [lasting, lasting, ...created];
    return choices[index % choices.length] ?? "00000000-0000-4000-8000-000000000000";
  }

  /** Remembers what an operation created. */
  add({ path }: Operation, text: string): void {
    const created = Created.safeParse(JSON.parse(text));
    if (!created.success) return;
    const resource = path.split("/").at(-1)?.replace(/s$/, "").replaceAll("-", "_") ?? "";
    if (created.data.username !== undefined && resource === "user") this.#remember("user", created.data.username);
    if (created.data.id !== undefined)
      this.#remember(`${resource === "agent_type" ? "type" : resource}_id`, created.data.id);
  }

  #remember(parameter: string, id: string): void {
    const ids = this.#created.get(parameter) ?? [];
    this.#created.set(parameter, [...ids, id].slice(-maxCreated));
  }
}
