import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Encoder, Viewer } from "../terminals/index.ts";

const keepAliveIntervalMs = 5_000; // ms
/** How long a viewer may take nothing of what waits for it. */
const stallTimeoutMs = 10_000; // ms
/** How long one that was let go may take to read its last line. */
const lastLineTimeoutMs = 30_000; // ms

interface ServeViewerOptions {
  readonly viewer: Viewer;
  readonly encoder: Encoder;
  /** It takes nothing. */
  readonly onStall: () => void;
}

/** Sends a viewer its lines, each as soon as it takes them. Ends with the terminal, with the viewer or with its caller. */
export async function serveViewer(
  response: ServerResponse,
  { viewer, encoder, onStall }: ServeViewerOptions,
): Promise<void> {
  const disconnect = new AbortController();
  response.once("close", () => disconnect.abort(new Error("the viewer left")));
  response.writeHead(200, {
    "content-type": encoder.contentType,
    "cache-control": "no-store",
    // Where the caller still sends, nothing else can follow on this stream.
    connection: "close",
  });
  const keepAliveTimer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encoder.keepAlive);
  }, keepAliveIntervalMs);
  try {
    for await (const lines of viewer.streamLines(disconnect.signal, encoder)) {
      // One write for many small lines; a long one is not copied.
      response.cork();
      for (const line of lines) response.write(line);
      response.uncork();
      if (response.writableNeedDrain) await waitForDrain(response, { viewer, gone: disconnect.signal, onStall });
    }
    response.end();
    const closeTimer = setTimeout(() => response.destroy(), lastLineTimeoutMs).unref();
    response.once("close", () => clearTimeout(closeTimer));
  } catch (error) {
    // Cut, so that what was sent is not taken as all there was.
    response.destroy();
    if (!disconnect.signal.aborted) throw error;
  } finally {
    clearInterval(keepAliveTimer);
  }
}

/** Resolves when the viewer took what was sent, or when it was let go. */
async function waitForDrain(
  response: ServerResponse,
  { viewer, gone: disconnected, onStall }: { viewer: Viewer; gone: AbortSignal; onStall: () => void },
): Promise<void> {
  const timer = setTimeout(onStall, stallTimeoutMs);
  const signal = AbortSignal.any([disconnected, viewer.detached]);
  try {
    await once(response, "drain", { signal });
  } catch (error) {
    if (!viewer.detached.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
