import type { engines } from "../../scripts/engines/engines.ts";
import type { Backend } from "../../packages/server/src/backends/index.ts";

/** What a backend is by nature. The suite holds it to this, in both directions. */
export interface Capabilities {
  /** Runners go on when the server that made them is gone, and the next one finds them. */
  readonly outlivesServer: boolean;
  /** False: a runner's disk goes with its processes when it is stopped, and with it all there is of the runner. */
  readonly keepsDisk?: boolean;
}

/** A backend with a place of its own; nothing of it is left when it is disposed of. */
export interface Place extends AsyncDisposable {
  readonly backend: Backend;
  /** Ends a runner's daemon as a crash does, with nothing said to it. */
  killDaemon(id: string): Promise<void>;
  /** What the next runner that is created turns out to be: the name of a way to break one's word, or `good`. */
  become(mode: string): Promise<void>;
}

export interface BackendUnderTest {
  readonly capabilities: Capabilities;
  /** It differs from another entry only in its wire or its disk. */
  readonly variant?: true;
  /** What it needs beyond `npm ci`, by its name among the engines. */
  readonly engine?: keyof typeof engines;
  /** A backend on what is in the folder, as a server opens it: what an earlier one left there, it finds. */
  open(folder: string): Promise<Place>;
}
