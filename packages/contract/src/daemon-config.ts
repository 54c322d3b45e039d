import { z } from "zod";
import { Isolation } from "./states.ts";

/** How the daemon's end of the wire is made. Whoever comes proves who it is in the wire's own handshake. */
export const WireConfig = z.discriminatedUnion("by", [
  /** The server listens on a unix socket; the daemon connects to it, again and again. */
  z.object({ by: z.literal("connect"), path: z.string() }),
  /** The daemon listens on a unix socket inside, which `wharf-wire` carries to the server over its standard input and output. */
  z.object({ by: z.literal("listen"), path: z.string() }),
  /** The daemon listens on a port of all addresses of the runner's own network, and speaks TLS there with the wire's key. */
  z.object({ by: z.literal("port"), port: z.number().int().min(0).max(65_535) }),
]);
export type WireConfig = z.infer<typeof WireConfig>;

const IsolationTargets = z.object({
  /** As host:port. `${NAME}` stands for a variable of the daemon's environment; a target that names one it lacks is left out. */
  targets: z.array(z.string()),
});

/** How long a backend waits between SIGTERM and SIGKILL where nothing else is configured. */
export const defaultStopGraceMs = 12_000;

/** How long one step of the daemon's git may take where nothing else is configured. */
export const defaultGitTimeoutMs = 5 * 60 * 1000;

/**
 * What a backend hands the daemon on its standard input, once, so that no key is ever in an environment or a file; or in a
 * file that only this runner's daemon is given, where there is no standard input.
 */
export const DaemonConfig = z.object({
  runner_id: z.string(),
  /** Hex; derived from the server's secret and the runner's id. Proves to each end of the wire who the other is. */
  wire_key: z.string(),
  wire: WireConfig,
  /** The git checkout. */
  workspace: z.string(),
  /** Home of the agent. */
  home: z.string(),
  /** Where the journal and the prompt keys are kept. */
  state: z.string(),
  /** Port of the relay on the loopback inside; another is taken where this one is in use. */
  relay_port: z.number().int().default(4100),
  isolation: Isolation,
  /** Larger files are left out of commits; 100 MB where none is given. */
  max_file_bytes: z.number().int().positive().optional(),
  /** Where isolation rests on others, such as a cluster's network plugin: what must not answer from inside. */
  isolation_check: IsolationTargets.optional(),
  /** How long the backend waits between SIGTERM and SIGKILL. The daemon ends in order within it. */
  stop_grace_ms: z.number().int().positive().default(defaultStopGraceMs),
  /** How long one step of git may take that reaches no remote. */
  git_timeout_ms: z.number().int().positive().default(defaultGitTimeoutMs),
});
export type DaemonConfig = z.infer<typeof DaemonConfig>;
