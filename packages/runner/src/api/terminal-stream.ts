import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Encoder, Viewer } from "../terminals/index.ts";

const SIGN_OF_LIFE = 5_000; // ms
/** How long a viewer may take nothing of what waits for it. */
const STALL_AFTER = 10_000; // ms
/** How long one that was let go may take to read its last line. */
const LAST_LINE = 30_000; // ms

interface ServeOptions {
  readonly viewer: Viewer;
  readonly encoder: Encoder;
  /** It takes nothing. */
  readonly onStall: () => void;
}

/** Sends a viewer its lines, each as soon as it takes them. Ends with the terminal, with the viewer or with its caller. */
export async function serveViewer(response: ServerResponse, { viewer, encoder, onStall }: ServeOptions): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the viewer left")));
  response.writeHead(200, {
    "content-type": encoder.contentType,
    "cache-control": "no-store",
    // Where the caller still sends, nothing else can follow on this stream.
    connection: "close",
  });
  const life = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encoder.life);
  }, SIGN_OF_LIFE);
  try {
    for await (const lines of viewer.lines(gone.signal, encoder)) {
      // One write for many small lines; a long one is not copied.
      response.cork();
      for (const line of lines) response.write(line);
      response.uncork();
      if (response.writableNeedDrain) await drained(response, { viewer, gone: gone.signal, onStall });
    }
    response.end();
    const last = setTimeout(() => response.destroy(), LAST_LINE).unref();
    response.once("close", () => clearTimeout(last));
  } catch (error) {
    // Cut, so that what was sent is not taken as all there was.
    response.destroy();
    if (!gone.signal.aborted) throw error;
  } finally {
    clearInterval(life);
  }
}

/** Resolves when the viewer took what was sent, or when it was let go. */
async function drained(
  response: ServerResponse,
  { viewer, gone, onStall }: { viewer: Viewer; gone: AbortSignal; onStall: () => void },
): Promise<void> {
  const timer = setTimeout(onStall, STALL_AFTER);
  const signal = AbortSignal.any([gone, viewer.detached]);
  try {
    await once(response, "drain", { signal });
  } catch (error) {
    if (!viewer.detached.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
