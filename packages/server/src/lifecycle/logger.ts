import pino, { type Logger } from "pino";

/**
 * The message of a failed statement contains all its values: prompts, descriptions, whole batches
 * of events.
 */
const maxTextLength = 1_000;

const truncateText = (text: string) => (text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text);

/** Returns the useful parts of an error: drivers attach whole connections to theirs. */
function toLogValue(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const code = "code" in thrown ? thrown.code : undefined;
  return {
    name: thrown.name,
    message: truncateText(thrown.message),
    code,
    // The stack begins with the message.
    stack: thrown.stack?.replace(thrown.message, () => truncateText(thrown.message)),
    ...(thrown.cause !== undefined && { cause: toLogValue(thrown.cause) }),
  };
}

/**
 * Creates a logger that writes one JSON line per event to stderr, so that stdout contains only a
 * command's output.
 */
export function createLogger(level: string): Logger {
  const destination = pino.destination(2);
  // A closed terminal, or a pipe without a reader, ends the log and not the server. The flush is
  // disabled too, because at the process's exit it would retry endlessly to write the rest.
  destination.on("error", () => {
    const discardWrite = () => true;
    Object.assign(destination, {
      write: discardWrite,
      flush: discardWrite,
      flushSync: discardWrite,
      end: discardWrite,
      destroy: discardWrite,
    });
  });
  return pino(
    {
      level,
      serializers: { error: toLogValue, err: toLogValue },
      redact: { paths: ["*.authorization", "*.token", "*.key"], censor: "[redacted]" },
    },
    destination,
  );
}
