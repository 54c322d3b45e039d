import pino, { type Logger } from "pino";

/** A failed statement's message holds all its values: prompts, descriptions, whole batches of events. */
const maxWords = 1_000;

const clip = (text: string) => (text.length > maxWords ? `${text.slice(0, maxWords)}…` : text);

/** What is worth reading of an error: drivers hang whole connections on theirs. */
function describe(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const code = "code" in thrown ? thrown.code : undefined;
  return {
    name: thrown.name,
    message: clip(thrown.message),
    code,
    // The stack begins with the message.
    stack: thrown.stack?.replace(thrown.message, () => clip(thrown.message)),
    ...(thrown.cause !== undefined && { cause: describe(thrown.cause) }),
  };
}

/** One JSON line for each thing that happened, on stderr, so that stdout stays what a command prints. */
export function createLogger(level: string): Logger {
  const destination = pino.destination(2);
  // A terminal that was closed, or a pipe that nobody reads, ends the log and not the server. Without a flush, because at
  // the process's exit that would try again and again to write what is left.
  destination.on("error", () => {
    const drop = () => true;
    Object.assign(destination, { write: drop, flush: drop, flushSync: drop, end: drop, destroy: drop });
  });
  return pino(
    {
      level,
      serializers: { error: describe, err: describe },
      redact: { paths: ["*.authorization", "*.token", "*.key"], censor: "[redacted]" },
    },
    destination,
  );
}
