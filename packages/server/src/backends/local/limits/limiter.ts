import type { Limits } from "./cgroup-settings.ts";

/** A way to hold a runner, with all it starts, to its limits. */
export interface Limiter {
  /** What the command needs in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Makes what bounds the runner, and returns what goes before the command that is to be bounded. When that command starts,
   * `link` is a link to the cgroup that bounds its memory, where there is one.
   */
  enter(id: string, limits: Limits, link?: string): Promise<readonly string[]>;
  /** Removes what bounded the runner once its processes have ended. */
  release(id: string): Promise<void>;
}

/** Where nothing can be bounded. */
export const unlimited: Limiter = { environment: {}, enter: async () => [], release: async () => undefined };
