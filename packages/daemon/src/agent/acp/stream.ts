import { setImmediate as nextTask } from "node:timers/promises";
import { methods, type AnyMessage, type Stream } from "@agentclientprotocol/sdk";
import { z } from "zod";
import { readLines } from "../process/lines.ts";
import type { ProcessGroup } from "../process/process-group.ts";

/** An agent may send messages up to this size. */
const maxMessageBytes = 16 * 1024 * 1024;
/** The agent may have this many unanswered requests at once; beyond, reading from it pauses. */
const maxInFlight = 256;

const MessageId = z.union([z.string(), z.number(), z.null()]);
const Envelope = z.object({
  jsonrpc: z.literal("2.0"),
  id: MessageId.optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});
const Failure = z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() });

interface StreamHandlers {
  /** Called for all output of the agent. */
  onActivity(): void;
  /** Called with a session update. Reading continues when the promise resolves. */
  onUpdate(params: unknown): Promise<void>;
  /** Called with a line that is not a protocol message. */
  onLine(line: string): Promise<void>;
  /** Called when the agent has made the stream unreadable. */
  onBroken(error: unknown): void;
}

/**
 * Creates the SDK's stream of messages from an agent's stdin and stdout.
 *
 * The stream replaces the SDK's own reader, which reads everything regardless of whether it is
 * handled, and which does not wait for the handlers of notifications. This stream reads nothing
 * before earlier messages are handled, so a full journal stops the agent, and updates are recorded
 * in wire order and before the answer that follows them.
 */
export function createAcpStream(group: ProcessGroup, handlers: StreamHandlers): Stream {
  const lines = readLines(group.stdout, { maxBytes: maxMessageBytes, overlong: "fail" });
  // Read from the start: Node discards the output of a program that exits before anyone reads it.
  let first: Promise<IteratorResult<string, void>> | undefined = lines.next();
  first.catch(() => undefined);
  const pendingIds = new Set<unknown>();
  const inFlight = new Map<unknown, string>();
  let nextAnswer = Promise.withResolvers<void>();
  let isClosed = false;

  // File requests run one at a time: files are large but answered quickly, so memory holds at most
  // one.
  const isFull = (): boolean =>
    inFlight.size >= maxInFlight || [...inFlight.values()].some((method) => method.startsWith("fs/"));

  const readMessage = async (): Promise<AnyMessage | undefined> => {
    for (;;) {
      while (isFull() && !isClosed) await nextAnswer.promise;
      const line = await (first ?? lines.next());
      first = undefined;
      if (line.done) return undefined;
      handlers.onActivity();
      if (line.value.trim() === "") continue;
      const message = parseMessage(line.value);
      if (!message) await handlers.onLine(line.value);
      else if (message.method === methods.client.session.update && message.id === undefined)
        await handlers.onUpdate(message.params);
      else if (message.method === undefined) {
        if (pendingIds.delete(message.id)) return toAnyMessage(message);
        await handlers.onLine(line.value);
      } else if (message.id === undefined) {
        if (message.method === methods.protocol.cancelRequest) return toAnyMessage(message);
      } else if (inFlight.has(message.id)) await handlers.onLine(line.value);
      else {
        inFlight.set(message.id, message.method);
        return toAnyMessage(message);
      }
    }
  };

  const readable = new ReadableStream<AnyMessage>(
    {
      async pull(controller) {
        // The handler of the previous message has started once its pending microtasks have run.
        await nextTask();
        try {
          const message = await readMessage();
          if (message) controller.enqueue(message);
          else controller.close();
        } catch (error) {
          handlers.onBroken(error);
          controller.close();
        }
      },
      async cancel() {
        await lines.return();
      },
    },
    { highWaterMark: 0 },
  );

  const writable = new WritableStream<AnyMessage>({
    async write(message) {
      if ("method" in message && "id" in message) pendingIds.add(message.id);
      await writeText(group, `${JSON.stringify(message)}\n`);
      if ("method" in message || !("id" in message)) return;
      inFlight.delete(message.id);
      nextAnswer.resolve();
      nextAnswer = Promise.withResolvers<void>();
    },
  });

  void group.exited.then(() => {
    isClosed = true;
    nextAnswer.resolve();
  });
  return { readable, writable };
}

function parseMessage(line: string): z.infer<typeof Envelope> | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    return Envelope.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/**
 * Trusts params and result: the SDK checks a request's parameters, the caller checks an answer's
 * result.
 */
function toAnyMessage({ id, method, params, result, error }: z.infer<typeof Envelope>): AnyMessage {
  if (method !== undefined)
    return id === undefined ? { jsonrpc: "2.0", method, params } : { jsonrpc: "2.0", id, method, params };
  if (error === undefined) return { jsonrpc: "2.0", id: id ?? null, result };
  const failure = Failure.safeParse(error).data ?? { code: -32603, message: "The agent sent an error without a code." };
  return { jsonrpc: "2.0", id: id ?? null, error: failure };
}

/** Resolves when the program can take more input or has exited. */
function writeText(group: ProcessGroup, text: string): Promise<void> {
  const { stdin } = group;
  if (stdin.destroyed || stdin.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      stdin.off("drain", finish);
      stdin.off("close", finish);
      resolve();
    };
    stdin.on("drain", finish);
    stdin.on("close", finish);
  });
}
