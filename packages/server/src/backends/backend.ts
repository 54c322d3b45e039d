import type { Duplex } from "node:stream";
import type { BackendName, Isolation } from "@wharf/contract";
import type { CredentialUse, HostCredential } from "./shared/host-credential.ts";

export interface RunnerSpec {
  readonly id: string;
  /** Hex key of the wire; see `DaemonConfig`. */
  readonly wireKey: string;
  readonly limits: {
    readonly cpu: number;
    readonly memoryBytes: number;
    readonly diskBytes: number;
    readonly processes: number;
  };
  /** Programs that must be found on the PATH inside, such as `gemini`. */
  readonly programs: readonly string[];
  /** What the runner is made of, where the backend makes them of images; without one, the backend's own choice. */
  readonly image?: string;
  /** Whose it is. Where a backend can, the runners of different tenants share nothing. */
  readonly tenant?: string;
  /** `short`: its disk may go with its processes. */
  readonly lifetime?: "long" | "short";
  /** A tenant's own, for those who look at the engine. They never replace one of the backend's. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What of the server's machine it may read. Only a backend whose runners are on that machine is asked for any. */
  readonly credentials?: readonly HostCredential[];
}

/** Measured outside; what the daemon says of itself is never billed. */
export interface RunnerUsage {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
}

/** What is really there, for the reconciler. */
export interface ObservedRunner {
  readonly id: string;
  readonly state: "running" | "stopped";
}

export interface CreateHooks {
  /** Called before the runner gets credentials of the server's machine; where it fails, the runner is not started. */
  readonly onCredentials?: ((use: CredentialUse) => Promise<void>) | undefined;
  /** Called with what the runner's start waits for, in a sentence for people. */
  readonly onProgress?: ((message: string) => Promise<void>) | undefined;
}

/** Where runners live. Implementations are idempotent by id and hold no state of their own. */
export interface Backend {
  readonly name: BackendName;
  readonly can: {
    readonly snapshot: boolean;
    readonly isolation: Isolation;
    readonly packages: "volume" | "image" | "disk";
  };
  /** Makes the runner and starts its daemon. Done again for the same id it makes sure both are there. */
  create(spec: RunnerSpec, signal?: AbortSignal, hooks?: CreateHooks): Promise<void>;
  /** The wire: one byte stream to the daemon. Waits for the daemon until the signal ends it. */
  dial(id: string, signal?: AbortSignal): Promise<Duplex>;
  /** Processes go, the disk stays. */
  stop(id: string): Promise<void>;
  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void>;
  /** Nothing stays. */
  destroy(id: string): Promise<void>;
  getUsage(id: string): Promise<RunnerUsage>;
  list(): AsyncIterable<ObservedRunner>;
  /** Identifies the engine or cluster, where runners do not live in this server's own data folder. */
  locate?(): Promise<string>;
  /** Why a program could not be started in this backend's runners (of that image), or nothing if it could. */
  getMissingReason(program: string, image?: string): Promise<string | undefined>;
  /** Releases what this process holds (listeners); runners stay at work. */
  close(): Promise<void>;
}
