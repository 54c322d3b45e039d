import { createHmac } from "node:crypto";

/**
 * Keys are derived from the server's secret: nothing to store, and nothing of use to a reader of
 * the database.
 */
export interface Keys {
  /** Key with which the daemon and the server authenticate each other when a link opens. */
  getWireKey(runnerId: string): string;
  /** Token that programs in the runner present to the gateway; valid for one run. */
  getRunToken(runId: string): string;
  /** The same for a standalone runner; valid for that runner. */
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
