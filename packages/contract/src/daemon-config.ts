import { z } from "zod";
import { Isolation } from "./states.ts";

/** What a backend hands the daemon on its standard input, once, so that no key is ever in an environment or a file. */
export const DaemonConfig = z.object({
  runner_id: z.string(),
  /** Hex; derived from the server's secret and the runner's id. Proves to each end of the wire who the other is. */
  wire_key: z.string(),
  /** Unix socket the server listens on; the daemon connects to it, again and again. */
  socket_path: z.string(),
  /** The git checkout. */
  workspace: z.string(),
  /** Home of the agent. */
  home: z.string(),
  /** Where the journal and the prompt keys are kept. */
  state: z.string(),
  /** Port of the relay on the loopback inside; another is taken where this one is in use. */
  relay_port: z.number().int().default(4100),
  isolation: Isolation,
});
export type DaemonConfig = z.infer<typeof DaemonConfig>;
