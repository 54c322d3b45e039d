import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A remote over HTTP that never completes: it sends a byte now and then, or nothing at all. */
export interface SlowRemote extends AsyncDisposable {
  readonly url: string;
}

/** The interval is far too short for git's own limit on slow transfers to apply. */
const byteEveryMs = 250;

export async function startSlowRemote({ isSilent = false } = {}): Promise<SlowRemote> {
  const timers = new Set<NodeJS.Timeout>();
  const trickle = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
    response.write("001e# service=git-upload-pack\n");
    if (isSilent) return;
    const timer = setInterval(() => response.write("0"), byteEveryMs);
    timers.add(timer);
    response.once("close", () => clearInterval(timer));
  };
  const server = createServer((_request, response) => trickle(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
