import type { Limits } from "./cgroup-settings.ts";

/** Holds a runner and all that it starts to its limits. */
export interface Limiter {
  /** The command needs these variables in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Creates what limits the runner, and returns the arguments to put before the limited command.
   * When that command starts, `link` points to the cgroup that limits its memory, if there is one.
   */
  enter(id: string, limits: Limits, link?: string): Promise<readonly string[]>;
  /** Removes what limited the runner once its processes have ended. */
  release(id: string): Promise<void>;
}

/** This limiter applies where no limit can be enforced. */
export const unlimited: Limiter = { environment: {}, enter: async () => [], release: async () => undefined };
