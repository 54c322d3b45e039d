import type { RunnerSpec } from "../backend.ts";
import type { Process, ProcessIdentity } from "./processes.ts";
import type { LaunchRecord, RunnerFolder } from "./runner-folder.ts";

/** Starts a runner's processes and finds them again. Implementations keep no state in memory. */
export interface Enclosure {
  readonly isolation: LaunchRecord["isolation"];
  /** Starts the daemon; resolves once it runs and the returned record can find it. */
  launch(spec: RunnerSpec, folder: RunnerFolder, signal?: AbortSignal): Promise<LaunchRecord>;
  /** Finds a living runner without a record, because the server died before it wrote one. */
  find(folder: RunnerFolder): Promise<LaunchRecord | undefined>;
  /**
   * Ends every process of the runner, recorded or not, and the named ones, and waits until none is
   * left.
   */
  terminate(folder: RunnerFolder, launched: LaunchRecord | undefined, named: readonly ProcessIdentity[]): Promise<void>;
  /** Returns the processes that belong to the runner. */
  getMembers(folder: RunnerFolder, launched: LaunchRecord, processes: readonly Process[]): Process[];
  /** Returns why the program cannot start in here, or undefined if it can. */
  getMissingReason(program: string): Promise<string | undefined>;
}
