import { createHmac } from "node:crypto";

/** Keys follow from the server's secret: nothing to store, and nothing a reader of the database could use. */
export interface Keys {
  /** What the daemon and the server prove to each other when a wire opens. */
  getWireKey(runnerId: string): string;
  /** What programs inside show the gateway; good for one run. */
  getRunToken(runId: string): string;
  /** The same for a runner that was created by hand; good for that runner. */
  getStandaloneToken(runnerId: string): string;
}

export function createKeys(secret: string): Keys {
  const deriveKey = (purpose: string, id: string) => createHmac("sha256", secret).update(`${purpose}:${id}`).digest();
  const createToken = (purpose: string, id: string) => `wharf_${deriveKey(purpose, id).toString("base64url")}`;
  return {
    getWireKey: (runnerId) => deriveKey("wire", runnerId).toString("hex"),
    getRunToken: (runId) => createToken("run", runId),
    getStandaloneToken: (runnerId) => createToken("standalone", runnerId),
  };
}
