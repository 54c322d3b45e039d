import { agentApi, daemonApi } from "@wharf/contract";
import type { Link } from "../../../runners/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { type RunLease, lockLeasedRun, type RunRow } from "../../state/lease.ts";
import { setRunStatus } from "../../state/transitions.ts";

/**
 * Brings the daemon, and then the run's status, to the desired state. The daemon keeps the pause
 * across lost links and server restarts: each new link queries it once, and an unwanted pause is
 * ended.
 */
export class PauseSync {
  readonly #deps: RunDeps;
  readonly #lease: RunLease;
  readonly #link: Link;
  /** Whether the daemon may be pausing or paused; unknown on a new link. */
  #mayBePaused: boolean | undefined;

  constructor(deps: RunDeps, lease: RunLease, link: Link) {
    this.#deps = deps;
    this.#lease = lease;
    this.#link = link;
  }

  /** Returns whether the run should pause, in which case no turn is dispatched. */
  async sync(run: RunRow, signal: AbortSignal): Promise<boolean> {
    if (run.desired === "PAUSE") {
      this.#mayBePaused = true;
      const { paused } = await this.#link.client.call(agentApi.pauseAgent, {}, { signal });
      if (paused && run.status === "RUNNING") await this.#setStatus("PAUSED");
      return true;
    }
    this.#mayBePaused ??= await this.#isPaused(signal);
    if (this.#mayBePaused) await this.#link.client.call(agentApi.resumeAgent, {}, { signal });
    this.#mayBePaused = false;
    if (run.status === "PAUSED") await this.#setStatus("RUNNING");
    return false;
  }

  async #isPaused(signal: AbortSignal): Promise<boolean> {
    const { agent } = await this.#link.client.call(daemonApi.health, {}, { signal });
    return agent.paused === true || agent.pausing === true;
  }

  /**
   * Changes the status only if it is still the desired one: a turn may have ended, or a person
   * changed their mind.
   */
  #setStatus(status: "PAUSED" | "RUNNING"): Promise<void> {
    return this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#lease.task_id);
      const run = await lockLeasedRun(writer.tx, this.#lease);
      const isWanted = run.desired === (status === "PAUSED" ? "PAUSE" : "RUN");
      if (isWanted && run.status === (status === "PAUSED" ? "RUNNING" : "PAUSED"))
        await setRunStatus(writer, run, status);
    });
  }
}
