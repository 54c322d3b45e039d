import type { RunnerSpec } from "../backend.ts";
import type { Process, ProcessIdentity } from "./processes.ts";
import type { LaunchRecord, RunnerFolder } from "./runner-folder.ts";

/** How a runner's processes are started and found again. None of it keeps anything in memory. */
export interface Enclosure {
  readonly isolation: LaunchRecord["isolation"];
  /** Starts the daemon; resolves when it runs and can be found by what is returned. */
  launch(spec: RunnerSpec, folder: RunnerFolder, signal?: AbortSignal): Promise<LaunchRecord>;
  /** A living runner that no record tells of, because the server died before it wrote one. */
  find(folder: RunnerFolder): Promise<LaunchRecord | undefined>;
  /** Ends every process of the runner, whether recorded or not, and those named, and waits until none is left. */
  terminate(folder: RunnerFolder, launched: LaunchRecord | undefined, named: readonly ProcessIdentity[]): Promise<void>;
  /** Those of all processes that are the runner's. */
  getMembers(folder: RunnerFolder, launched: LaunchRecord, processes: readonly Process[]): Process[];
  /** Why the program cannot be started in here, or nothing if it can. */
  getMissingReason(program: string): Promise<string | undefined>;
}
