import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder with the tests' needs beyond `npm ci`. It is outside the checkout, so that one
 * installation serves every clone.
 */
export const servicesFolder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "wharf-engines");
