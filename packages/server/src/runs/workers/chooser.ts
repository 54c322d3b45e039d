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

/**
 * Brings the agent to the mode and the model that a person chose for the task. The agent itself keeps neither over a new
 * start, so both are told again before each turn, and at once when the wish changes.
 */
export class Chooser {
  readonly #deps: RunDeps;
  readonly #lease: RunLease;
  readonly #link: Link;
  /** What the agent was told over this wire. */
  readonly #told = new Map<keyof typeof choices, string | null>();

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
    await this.#tell(signal, (what, id) => this.#told.get(what) !== id);
  }

  /** Tells all of it: the agent may have been started anew. */
  async apply(signal: AbortSignal): Promise<void> {
    await this.#tell(signal, () => true);
  }

  async #tell(signal: AbortSignal, isDue: (what: keyof typeof choices, id: string) => boolean): Promise<void> {
    const [task] = await this.#deps.db
      .select({ agent_mode: tasks.agent_mode, agent_model: tasks.agent_model })
      .from(tasks)
      .where(eq(tasks.id, this.#lease.task_id));
    if (!task) return;
    for (const what of ["mode", "model"] as const) {
      const id = choices[what].wished(task);
      if (id === null) this.#told.delete(what);
      else if (isDue(what, id)) await this.#choose(what, id, signal);
    }
  }

  /** A choice the agent does not know is told and forgotten; one that comes at the wrong moment is told again later. */
  async #choose(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    try {
      await choices[what].call(this.#link, id, signal);
      this.#told.set(what, id);
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
