import { createHmac } from "node:crypto";

/** Keys follow from the server's secret: nothing to store, and nothing a reader of the database could use. */
export interface Keys {
  /** What the daemon and the server prove to each other when a wire opens. */
  wire(runnerId: string): string;
  /** What programs inside show the gateway; good for one run. */
  run(runId: string): string;
}

export function keysFrom(secret: string): Keys {
  const derive = (purpose: string, id: string) => createHmac("sha256", secret).update(`${purpose}:${id}`).digest();
  return {
    wire: (runnerId) => derive("wire", runnerId).toString("hex"),
    run: (runId) => `wharf_${derive("run", runId).toString("base64url")}`,
  };
}
