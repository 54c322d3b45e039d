import type { Duplex } from "node:stream";
import type { BackendName, Isolation } from "@wharf/contract";

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
}

/** Measured outside; what the daemon says of itself is never billed. */
export interface RunnerUsage {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
}

/** What is really there, for the reconciler. */
export interface RunnerSighting {
  readonly id: string;
  readonly state: "running" | "stopped";
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
  create(spec: RunnerSpec, signal?: AbortSignal): Promise<void>;
  /** The wire: one byte stream to the daemon. Waits for the daemon until the signal ends it. */
  dial(id: string, signal?: AbortSignal): Promise<Duplex>;
  /** Processes go, the disk stays. */
  stop(id: string): Promise<void>;
  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void>;
  /** Nothing stays. */
  destroy(id: string): Promise<void>;
  usage(id: string): Promise<RunnerUsage>;
  list(): AsyncIterable<RunnerSighting>;
  /** Why a program could not be started in this backend's runners, or nothing if it could. */
  missing(program: string): Promise<string | undefined>;
  /** Releases what this process holds (listeners); runners stay at work. */
  close(): Promise<void>;
}
