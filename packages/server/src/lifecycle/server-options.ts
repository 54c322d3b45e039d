import type { Logger } from "pino";
import type { Config } from "../config/index.ts";
import type { KnownSecrets } from "../redaction/index.ts";
import type { RunTimes } from "../runs/index.ts";

export interface ServerOptions {
  readonly config: Config;
  /** The folder with the daemon and the agents, which every runner gets. */
  readonly kit: string;
  readonly version: string;
  readonly times?: Partial<RunTimes>;
  /** Called when this server holds the data folder. */
  readonly onLocked?: () => void;
  /** Environment of the server's own git: where its user's keys and credential helpers are. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface StopOptions {
  readonly runners: boolean;
  /** Ends the runners without waiting for their tasks to end properly. */
  readonly hurry?: AbortSignal;
}

/** Passed to everything that opens a part of the server. */
export interface ServerSetup {
  readonly options: ServerOptions;
  readonly logger: Logger;
  /** The secrets that never leave the server. Parts that read another one register it. */
  readonly secrets: KnownSecrets;
  /** Closes the opened parts, the last one first. */
  readonly parts: AsyncDisposableStack;
  /** Stops the server. */
  readonly stop: (how: StopOptions) => void;
}
