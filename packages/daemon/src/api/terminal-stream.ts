import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Encoder, Viewer } from "../terminals/index.ts";

const keepAliveIntervalMs = 5_000;
/** A viewer may leave its pending output unread for this long. */
const stallTimeoutMs = 10_000;
/** A detached viewer has this long to read its last line. */
const lastLineTimeoutMs = 30_000;

interface ServeViewerOptions {
  readonly viewer: Viewer;
  readonly encoder: Encoder;
  /** Runs when the viewer has stalled. */
  readonly onStall: () => void;
}

/**
 * Sends a viewer its lines, each as soon as the viewer accepts it. The stream ends with the
 * terminal, with the viewer or with its caller.
 */
export async function serveViewer(
  response: ServerResponse,
  { viewer, encoder, onStall }: ServeViewerOptions,
): Promise<void> {
  const disconnect = new AbortController();
  response.once("close", () => disconnect.abort(new Error("the viewer disconnected")));
  response.writeHead(200, {
    "content-type": encoder.contentType,
    "cache-control": "no-store",
    // The caller may still be sending, so no other request can follow on this connection.
    connection: "close",
  });
  const keepAliveTimer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encoder.keepAlive);
  }, keepAliveIntervalMs);
  try {
    for await (const lines of viewer.streamLines(disconnect.signal, encoder)) {
      // Send many small lines in a single write; cork does not copy long lines.
      response.cork();
      for (const line of lines) response.write(line);
      response.uncork();
      if (response.writableNeedDrain) await waitForDrain(response, { viewer, gone: disconnect.signal, onStall });
    }
    response.end();
    const closeTimer = setTimeout(() => response.destroy(), lastLineTimeoutMs).unref();
    response.once("close", () => clearTimeout(closeTimer));
  } catch (error) {
    // Cut the connection, so that the viewer does not take the output as complete.
    response.destroy();
    if (!disconnect.signal.aborted) throw error;
  } finally {
    clearInterval(keepAliveTimer);
  }
}

/** Resolves when the viewer has read what was sent, or when it is detached. */
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
