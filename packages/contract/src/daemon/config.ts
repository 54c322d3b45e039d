import { z } from "zod";
import { Isolation } from "../states.ts";
import { RunnerRegistry } from "./registry.ts";

/**
 * How the daemon's end of the wire is created. Each peer proves its identity in the wire's own
 * handshake.
 */
export const WireConfig = z.discriminatedUnion("by", [
  /**
   * The server listens on a unix socket; the daemon connects to it and reconnects when the
   * connection ends.
   */
  z.object({ by: z.literal("connect"), path: z.string() }),
  /**
   * The daemon listens on a unix socket inside the runner, which `wharf-wire` connects to the
   * server through its standard input and output.
   */
  z.object({ by: z.literal("listen"), path: z.string() }),
  /**
   * The daemon listens on a port on all addresses of the runner's own network and speaks TLS there
   * with the wire's key.
   */
  z.object({ by: z.literal("port"), port: z.number().int().min(0).max(65_535) }),
]);
export type WireConfig = z.infer<typeof WireConfig>;

const IsolationTargets = z.object({
  /**
   * Targets as host:port. `${NAME}` refers to a variable of the daemon's environment; a target with
   * a missing variable is left out.
   */
  targets: z.array(z.string()),
});

/** The default time that a backend waits between SIGTERM and SIGKILL. */
export const defaultStopGraceMs = 12_000;

/** The default timeout of one git step in the daemon. */
export const defaultGitTimeoutMs = 5 * 60 * 1000;

/**
 * The configuration that a backend passes to the daemon once, on its standard input, so that no key
 * is ever in an environment or a file. Where there is no standard input, the backend passes a file
 * that only this runner's daemon can read.
 */
export const DaemonConfig = z.object({
  runner_id: z.string(),
  /**
   * Hex key, derived from the server's secret and the runner's id. The key authenticates each end
   * of the wire to the other.
   */
  wire_key: z.string(),
  wire: WireConfig,
  /** The folder of the git checkout. */
  workspace: z.string(),
  /** The agent's home folder. */
  home: z.string(),
  /** The folder of the journal and the prompt keys. */
  state: z.string(),
  /**
   * The relay's port on the loopback interface inside. The daemon picks another port if this one is
   * in use.
   */
  relay_port: z.number().int().default(4100),
  isolation: Isolation,
  /**
   * The daemon serves names at port 53 of the loopback interface, and hosts at the ports of the
   * web. The backend sets this only where the loopback interface is the runner's alone.
   */
  serves_names: z.boolean().default(false),
  /** The package registries that the gateway serves. */
  registries: z.array(RunnerRegistry).default([]),
  /** Larger files are left out of commits. Defaults to 100 MB. */
  max_file_bytes: z.number().int().positive().optional(),
  /**
   * Targets that must not answer from inside, where isolation depends on other software such as a
   * cluster's network plugin.
   */
  isolation_check: IsolationTargets.optional(),
  /**
   * How long the backend waits between SIGTERM and SIGKILL. The daemon shuts down in order within
   * this time.
   */
  stop_grace_ms: z.number().int().positive().default(defaultStopGraceMs),
  /** The timeout of one git step that contacts no remote. */
  git_timeout_ms: z.number().int().positive().default(defaultGitTimeoutMs),
});
export type DaemonConfig = z.infer<typeof DaemonConfig>;
