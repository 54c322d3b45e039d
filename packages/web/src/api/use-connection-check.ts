import { useEffect } from "react";
import { LiveStream } from "./live-stream.ts";

/** Watches the connection on a page that follows nothing: the stream has only heartbeats. */
export function useConnectionCheck(): void {
  useEffect(() => {
    const stream = new LiveStream({ getPath: () => "/api/v1/orchestrator/stream", onMessage: () => undefined });
    return () => stream[Symbol.dispose]();
  }, []);
}
