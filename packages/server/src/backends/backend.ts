import type { Duplex } from "node:stream";
import type { BackendName, Isolation } from "@wharf/contract";
import type { CredentialUse, HostCredential } from "./shared/host-credential.ts";

export interface RunnerSpec {
  readonly id: string;
  /** Holds the wire's key in hex; see `DaemonConfig`. */
  readonly wireKey: string;
  readonly limits: {
    readonly cpu: number;
    readonly memoryBytes: number;
    readonly diskBytes: number;
    readonly processes: number;
  };
  /** Lists programs that must be on the runner's PATH, such as `gemini`. */
  readonly programs: readonly string[];
  /**
   * Names the image to create the runner from, on backends that use images. Defaults to the
   * backend's image.
   */
  readonly image?: string;
  /**
   * Names the tenant that owns the runner. Where a backend can, runners of different tenants share
   * nothing.
   */
  readonly tenant?: string;
  /** `short` means that the runner's disk may be deleted with its processes. */
  readonly lifetime?: "long" | "short";
  /**
   * Holds the tenant's labels, for people who inspect the engine. They never replace a label that
   * the backend sets.
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Lists the credentials of the server's machine that the runner may read. Only a backend whose
   * runners are on that machine receives any.
   */
  readonly credentials?: readonly HostCredential[];
}

/** The counters of one launch of a runner: the next launch starts at zero under another id. */
export interface LaunchUsage {
  readonly id: string;
  readonly cpuSeconds: number;
  /** Time since the launch. */
  readonly runningSeconds: number;
}

/**
 * The backend measures usage outside the runner; Wharf never bills what the daemon itself reports.
 */
export interface RunnerUsage {
  /** Sum of all launches. */
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
  /** Present while the runner runs. */
  readonly launch?: LaunchUsage;
}

/** The reconciler compares these observed runners with the desired ones. */
export interface ObservedRunner {
  readonly id: string;
  readonly state: "running" | "stopped";
}

export interface CreateHooks {
  /**
   * Runs before the runner gets credentials of the server's machine; if it fails, the runner does
   * not start.
   */
  readonly onCredentials?: ((use: CredentialUse) => Promise<void>) | undefined;
  /** Receives a sentence for people that names what the runner's start waits for. */
  readonly onProgress?: ((message: string) => Promise<void>) | undefined;
}

/** A backend hosts runners. Implementations are idempotent by id and hold no state themselves. */
export interface Backend {
  readonly name: BackendName;
  readonly can: {
    readonly snapshot: boolean;
    readonly isolation: Isolation;
    readonly packages: "volume" | "image" | "disk";
  };
  /** Explains why runners have no sandbox, if they have none. */
  readonly isolationReason?: string;
  /** Describes in one sentence the limits of a runner on this machine. */
  readonly limits?: string;
  /** The largest disk of a runner, if there is a limit: `create` gives no runner a larger one. */
  readonly maxDiskBytes?: number;
  /**
   * Creates the runner and starts its daemon. A repeated call for the same id makes sure that both
   * exist.
   */
  create(spec: RunnerSpec, signal?: AbortSignal, hooks?: CreateHooks): Promise<void>;
  /**
   * Opens the wire, a single byte stream to the daemon. Waits for the daemon until the signal
   * aborts.
   */
  dial(id: string, signal?: AbortSignal): Promise<Duplex>;
  /** Ends the runner's processes and keeps its disk. */
  stop(id: string): Promise<void>;
  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void>;
  /** Removes the runner with everything that belongs to it. */
  destroy(id: string): Promise<void>;
  getUsage(id: string): Promise<RunnerUsage>;
  list(): AsyncIterable<ObservedRunner>;
  /**
   * Identifies the engine or cluster, where runners do not live in this server's own data folder.
   */
  locate?(): Promise<string>;
  /** Throws if the engine or cluster does not answer. Absent if there is none. */
  ping?(signal?: AbortSignal): Promise<void>;
  /**
   * Returns why a program could not start in this backend's runners (of that image), or undefined
   * if it could.
   */
  getMissingReason(program: string, image?: string): Promise<string | undefined>;
  /** Releases what this process holds (listeners); runners keep running. */
  close(): Promise<void>;
}
