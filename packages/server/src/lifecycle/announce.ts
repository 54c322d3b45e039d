import { rename, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { addressFile } from "@wharf/contract/data-folder";
import type { Logger } from "pino";
import { listenInFolder } from "../api/index.ts";

interface AnnouncementOptions {
  readonly folder: string;
  readonly url: string;
  readonly http: Server;
  readonly logger: Logger;
}

/**
 * Lets clients find the server of a data folder: by the socket in it, which the command line uses,
 * and by a file with the URL, for people and other tools. Both are removed when the server stops.
 */
export async function announceServer({ folder, url, http, logger }: AnnouncementOptions): Promise<AsyncDisposable> {
  const file = join(folder, addressFile);
  await using parts = new AsyncDisposableStack();
  try {
    parts.use(await listenInFolder(http, folder));
  } catch (error) {
    // Some file systems do not support sockets.
    logger.error(
      { error },
      "cannot create a socket in the data folder: set WHARF_URL and WHARF_TOKEN to use the command line",
    );
  }
  // The file is moved into place, so that no client reads an incomplete one.
  await writeFile(`${file}.new`, JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
  await rename(`${file}.new`, file);
  // A read-only disk keeps the file, which does no harm: clients do not send anything to a URL just
  // because of it.
  parts.defer(() => rm(file, { force: true }).catch(() => undefined));
  return parts.move();
}
