import type { IncomingMessage } from "node:http";
import { ndjsonLines } from "@wharf/contract/wire";
import { MAX_INPUT, toWharfError, ViewerMessage, WharfError } from "@wharf/contract";
import type { Terminals, Viewer } from "../terminals/index.ts";

/** A line of the most input there may be, every character of it escaped. */
const MAX_LINE_BYTES = 6 * MAX_INPUT + 1024;

interface HearOptions {
  readonly terminals: Terminals;
  readonly terminal_id: string;
  readonly viewer: Viewer;
}

/** Does what a viewer sends on the stream it is attached by. What is refused is told there. Never fails. */
export async function hearViewer(request: IncomingMessage, options: HearOptions): Promise<void> {
  const { viewer } = options;
  try {
    for await (const line of ndjsonLines(request, MAX_LINE_BYTES)) {
      const message = messageOf(line);
      try {
        if (!message)
          throw new WharfError("bad_request", { issues: [{ path: "", message: "not a viewer's message" }] });
        await obey(message, options);
      } catch (thrown) {
        const { code, message: detail } = toWharfError(thrown, "typing");
        viewer.tell({ type: "refused", what: message?.type ?? "line", code, detail });
      }
    }
  } catch {
    // Cut, or no lines: the answer ends with its connection.
    request.destroy();
  }
}

function messageOf(line: string): ViewerMessage | undefined {
  try {
    return ViewerMessage.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

async function obey(message: ViewerMessage, { terminals, terminal_id, viewer }: HearOptions): Promise<void> {
  if (message.type === "ack") return viewer.ack(message.offset);
  const terminal = terminals.get(terminal_id);
  switch (message.type) {
    case "input":
      return terminal.type(viewer.id, { data: message.data, take: message.take ?? false });
    case "resize":
      return terminal.resize(message.cols, message.rows);
    case "take":
      return terminal.take(viewer.id);
    case "release":
      return terminal.release(viewer.id);
  }
}
