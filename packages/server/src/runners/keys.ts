import { createHmac } from "node:crypto";

/** Keys follow from the server's secret: nothing to store, and nothing a reader of the database could use. */
export interface Keys {
  /** What the daemon and the server prove to each other when a wire opens. */
  wire(runnerId: string): string;
  /** What programs inside show the gateway; good for one run. */
  run(runId: string): string;
  /** The same for a runner that was created by hand; good for that runner. */
  standalone(runnerId: string): string;
}

export function keysFrom(secret: string): Keys {
  const derive = (purpose: string, id: string) => createHmac("sha256", secret).update(`${purpose}:${id}`).digest();
  const token = (purpose: string, id: string) => `wharf_${derive(purpose, id).toString("base64url")}`;
  return {
    wire: (runnerId) => derive("wire", runnerId).toString("hex"),
    run: (runId) => token("run", runId),
    standalone: (runnerId) => token("standalone", runnerId),
  };
}
