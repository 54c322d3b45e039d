import pino, { type Logger } from "pino";
import type { KnownSecrets } from "../redaction/index.ts";

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

/** Redacts the values in a line, so that it remains JSON. */
function redactLine(line: string, secrets: KnownSecrets): string {
  if (!secrets.matcher.find(Buffer.from(line))) return line;
  return `${JSON.stringify(secrets.redactJson(JSON.parse(line)))}\n`;
}

/**
 * Creates a logger that writes one JSON line per event to stderr, so that stdout contains only a
 * command's output. Lines never contain a secret that the server knows.
 */
export function createLogger(level: string, secrets: KnownSecrets): Logger {
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
      hooks: { streamWrite: (line) => redactLine(line, secrets) },
    },
    destination,
  );
}
