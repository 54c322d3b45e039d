import { agentApi, RemoteError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import type { Link } from "../../runners/index.ts";
import { schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import type { RunDeps } from "../deps.ts";
import { type RunLease, lockLeased, type RunRow } from "../lease.ts";

const { tasks } = schema;

/** What can be chosen: where the wish stands, and how the daemon is told. */
const choices = {
  mode: {
    wished: (task: Wishes) => task.agent_mode,
    call: (link: Link, mode_id: string, signal: AbortSignal) =>
      link.client.call(agentApi.setMode, { body: { mode_id } }, { signal }),
    none: { agent_mode: null },
  },
  model: {
    wished: (task: Wishes) => task.agent_model,
    call: (link: Link, model_id: string, signal: AbortSignal) =>
      link.client.call(agentApi.setModel, { body: { model_id } }, { signal }),
    none: { agent_model: null },
  },
} as const;

interface Wishes {
  readonly agent_mode: string | null;
  readonly agent_model: string | null;
}

/** What an agent is brought to where a person chose nothing. */
type Usual = Partial<Record<keyof typeof choices, string | undefined>>;

/**
 * Brings the agent to the mode and the model that a person chose for the task, or to the mode in which it keeps the task's
 * permission policy. The agent itself keeps neither over a new start, so both are told again before each turn, and at once
 * when the wish changes. A turn is given only to an agent that took both.
 */
export class Chooser {
  readonly #deps: RunDeps;
  readonly #lease: RunLease;
  readonly #link: Link;
  /** What the agent was told over this wire. */
  readonly #told = new Map<keyof typeof choices, string | null>();

  #usual: Usual = {};
  #seen: number | undefined;

  constructor(deps: RunDeps, lease: RunLease, link: Link) {
    this.#deps = deps;
    this.#lease = lease;
    this.#link = link;
  }

  /** Tells only what is new since it was last told; a wish is written down with a touch of the run. */
  async tick(run: RunRow, signal: AbortSignal): Promise<void> {
    if (run.updated_at.getTime() === this.#seen) return;
    this.#seen = run.updated_at.getTime();
    for (const [what, id] of await this.#readWishes())
      if (this.#told.get(what) !== id) await this.#offer(what, id, signal);
  }

  /** Tells all of it, since the agent may have been started again, and fails where the agent does not take it. */
  async apply(usual: Usual, signal: AbortSignal): Promise<void> {
    this.#usual = usual;
    for (const [what, id] of await this.#readWishes()) await this.#choose(what, id, signal);
  }

  async #readWishes(): Promise<[keyof typeof choices, string][]> {
    const [task] = await this.#deps.db
      .select({ agent_mode: tasks.agent_mode, agent_model: tasks.agent_model })
      .from(tasks)
      .where(eq(tasks.id, this.#lease.task_id));
    if (!task) return [];
    return (["mode", "model"] as const).flatMap((what) => {
      const id = choices[what].wished(task) ?? this.#usual[what];
      if (id !== undefined) return [[what, id] as [typeof what, string]];
      this.#told.delete(what);
      return [];
    });
  }

  async #choose(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    await choices[what].call(this.#link, id, signal);
    this.#told.set(what, id);
  }

  /** A choice the agent does not know is told and forgotten; one that comes at the wrong moment is told again later. */
  async #offer(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#choose(what, id, signal);
    } catch (error) {
      if (!(error instanceof RemoteError) || this.#link.signal.aborted) throw error;
      if (error.code === "conflict") return void (this.#seen = undefined);
      await this.#deps.log.write(async (writer) => {
        const { task_id, run_id } = this.#lease;
        const task = await lockTask(writer.tx, task_id);
        await lockLeased(writer.tx, this.#lease);
        if (choices[what].wished(task) !== id) return;
        await writer.tx.update(tasks).set(choices[what].none).where(eq(tasks.id, task_id));
        const message = `The agent stays with the ${what} it has: ${error.message}`;
        await writer.append(task_id, [{ run_id, data: { kind: "notice", message } }]);
      });
    }
  }
}
