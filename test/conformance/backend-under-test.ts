import type { Backend } from "../../packages/server/src/backends/index.ts";
import type { testServices } from "../../scripts/test-services/index.ts";

/** The properties of a backend. The suite tests both values of each. */
export interface Capabilities {
  /** Runners continue after their server is gone, and the next server finds them. */
  readonly outlivesServer: boolean;
  /** False: a stopped runner loses its disk with its processes, and is gone completely. */
  readonly keepsDisk?: boolean;
  /** False: runners are ordinary processes of the machine. */
  readonly isolates?: boolean;
  /** Runners have a network, which the cluster's policies close. */
  readonly hasNetwork?: boolean;
}

/** A backend that a test started; disposing of the harness removes everything. */
export interface BackendHarness extends AsyncDisposable {
  readonly backend: Backend;
  /** Kills a runner's daemon without a warning, like a crash. */
  killDaemon(id: string): Promise<void>;
  /** Sets the mode of the next runner to be created: the name of a misbehaviour, or `good`. */
  setMode(mode: string): Promise<void>;
}

export interface BackendUnderTest {
  readonly capabilities: Capabilities;
  /** The backend differs from another entry only in its wire or its disk. */
  readonly variant?: true;
  /** The test service that the backend needs beyond `npm ci`. */
  readonly service?: keyof typeof testServices;
  /**
   * Opens a backend on the folder's content, as a server does: it finds what an earlier backend
   * left there.
   */
  open(folder: string): Promise<BackendHarness>;
}
