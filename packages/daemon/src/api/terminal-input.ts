import type { IncomingMessage } from "node:http";
import { maxInputBytes, toWharfError, ViewerMessage, WharfError } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { Terminals, Viewer } from "../terminals/index.ts";

/** This limit fits the largest input with every character escaped. */
const maxLineBytes = 6 * maxInputBytes + 1024;

interface ViewerInputOptions {
  readonly terminals: Terminals;
  readonly terminal_id: string;
  readonly viewer: Viewer;
}

/**
 * Executes the messages that a viewer sends on its attach stream and reports refusals on the same
 * stream. Never fails.
 */
export async function receiveViewerInput(request: IncomingMessage, options: ViewerInputOptions): Promise<void> {
  const { viewer } = options;
  try {
    for await (const line of readNdjsonLines(request, maxLineBytes)) {
      const message = parseMessage(line);
      try {
        if (!message)
          throw new WharfError("bad_request", { issues: [{ path: "", message: "not a viewer's message" }] });
        await handleMessage(message, options);
      } catch (thrown) {
        const { code, message: detail } = toWharfError(thrown, "typing");
        viewer.send({ type: "refused", what: message?.type ?? "line", code, detail });
      }
    }
  } catch {
    // The stream was cut or holds invalid lines: the response ends with its connection.
    request.destroy();
  }
}

function parseMessage(line: string): ViewerMessage | undefined {
  try {
    return ViewerMessage.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

async function handleMessage(
  message: ViewerMessage,
  { terminals, terminal_id, viewer }: ViewerInputOptions,
): Promise<void> {
  if (message.type === "ack") return viewer.acknowledge(message.offset);
  const terminal = terminals.get(terminal_id);
  switch (message.type) {
    case "input":
      return terminal.writeInput(viewer.id, { data: message.data, take: message.take ?? false });
    case "resize":
      return terminal.resize(message.cols, message.rows);
    case "take":
      return terminal.takeKeyboard(viewer.id);
    case "release":
      return terminal.releaseKeyboard(viewer.id);
  }
}
