import type { EngineAddress } from "./engine-address.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import type { CredentialSources } from "../shared/host-credential.ts";
import type { Log } from "../shared/log.ts";

/** `socket`: a unix socket that server and runner share. `exec`: a program started in the container by the engine. */
export type WireMode = "socket" | "exec";

/** As much as it takes to find out what an engine is. */
export interface EngineOptions {
  /** Tells this server's runners from another's on the same engine. */
  readonly server: string;
  readonly engine: EngineAddress;
  /** Whether an engine that holds nobody back from any system call is accepted. */
  readonly allowUnsafe?: boolean;
  readonly log?: Log;
}

export interface DockerBackendOptions extends EngineOptions, DaemonSettings {
  /** Holds a folder for each runner whose wire is a socket. Nobody but the server's user may look into it. */
  readonly folder: string;
  /** Holds `bin` and `lib` with the bundles of the daemon and the agents. */
  readonly kit: string;
  /** The Node that runs them. */
  readonly node: string;
  /** What runners are made of that name no image of their own. */
  readonly image: string;
  /** Undefined: a socket where the engine shares this machine, else exec. */
  readonly wire?: WireMode | undefined;
  /** Where runners' credentials are taken from; without it none is given away. */
  readonly credentials?: CredentialSources | undefined;
}
