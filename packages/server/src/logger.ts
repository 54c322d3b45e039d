import pino, { type Logger } from "pino";

/** A failed statement's message holds all its values: prompts, descriptions, whole batches of events. */
const maxTextLength = 1_000;

const truncateText = (text: string) => (text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text);

/** What is worth reading of an error: drivers hang whole connections on theirs. */
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

/** One JSON line for each thing that happened, on stderr, so that stdout stays what a command prints. */
export function createLogger(level: string): Logger {
  const destination = pino.destination(2);
  // A terminal that was closed, or a pipe that nobody reads, ends the log and not the server. Without a flush, because at
  // the process's exit that would try again and again to write what is left.
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
