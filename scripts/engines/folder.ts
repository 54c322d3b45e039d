import { homedir } from "node:os";
import { join } from "node:path";

/** What some tests need beyond `npm ci`. It lies outside the checkout, so that it is made once and serves every clone. */
export const enginesFolder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "wharf-engines");
