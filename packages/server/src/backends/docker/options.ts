import type { DaemonSettings } from "../shared/daemon-settings.ts";
import type { CredentialSources } from "../shared/host-credential.ts";
import type { Log } from "../shared/log.ts";
import type { EngineAddress } from "./engine-address.ts";

/**
 * `socket` is a unix socket that server and runner share. `exec` is a program that the engine
 * starts in the container.
 */
export type WireMode = "socket" | "exec";

/** Inspecting an engine takes only these options. */
export interface EngineOptions {
  /** Distinguishes this server's runners from another's on the same engine. */
  readonly server: string;
  readonly engine: EngineAddress;
  /** Whether to accept an engine that blocks no system calls. */
  readonly allowUnsafe?: boolean;
  readonly log?: Log;
}

export interface DockerBackendOptions extends EngineOptions, DaemonSettings {
  /**
   * Contains a folder for each runner whose wire is a socket. Only the server's user may read it.
   */
  readonly folder: string;
  /** Contains `bin` and `lib` with the bundles of the daemon and the agents. */
  readonly kit: string;
  /** Names the Node program that runs them. */
  readonly node: string;
  /** Names the image of runners that do not name their own. */
  readonly image: string;
  /** Undefined means a socket where the engine shares this machine, and exec elsewhere. */
  readonly wire?: WireMode | undefined;
  /** Names the sources of runners' credentials; without it, runners get none. */
  readonly credentials?: CredentialSources | undefined;
}
