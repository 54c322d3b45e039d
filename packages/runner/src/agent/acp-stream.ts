import { setImmediate as nextTask } from "node:timers/promises";
import { methods, type AnyMessage, type Stream } from "@agentclientprotocol/sdk";
import { z } from "zod";
import { readLines } from "./lines.ts";
import type { ProcessGroup } from "./process-group.ts";

/** The longest message an agent may send. */
const maxMessageBytes = 16 * 1024 * 1024;
/** Requests of the agent that may be unanswered at once; beyond, it is not read. */
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

interface Ears {
  /** Anything the agent printed. */
  onLife(): void;
  /** An update of a session. What comes after it waits until this resolves. */
  onUpdate(params: unknown): Promise<void>;
  /** A line that is no message of the protocol. */
  onLine(line: string): Promise<void>;
  /** The stream can be read no further, because of the agent. */
  onBroken(error: unknown): void;
}

/**
 * The protocol on an agent's stdin and stdout, as the SDK's stream of messages.
 *
 * It stands in for the SDK's own reader, which takes all there is whether or not anybody handles it, and which does not
 * wait for the handlers of notifications. Here nothing is read before what came earlier is dealt with, so a full
 * journal stops the agent, and updates are recorded in the order of the wire and ahead of the answer that follows them.
 */
export function acpStream(group: ProcessGroup, ears: Ears): Stream {
  const lines = readLines(group.stdout, { maxBytes: maxMessageBytes, overlong: "fail" });
  // Read from the start: Node throws away what a program printed that exits while nobody reads.
  let first: Promise<IteratorResult<string, void>> | undefined = lines.next();
  first.catch(() => {});
  const asked = new Set<unknown>();
  const inFlight = new Map<unknown, string>();
  let answered = Promise.withResolvers<void>();
  let closed = false;

  // Files are large and answered in no time, so one at a time: memory is bounded by one of them.
  const full = (): boolean =>
    inFlight.size >= maxInFlight || [...inFlight.values()].some((method) => method.startsWith("fs/"));

  const next = async (): Promise<AnyMessage | undefined> => {
    for (;;) {
      while (full() && !closed) await answered.promise;
      const line = await (first ?? lines.next());
      first = undefined;
      if (line.done) return undefined;
      ears.onLife();
      if (line.value.trim() === "") continue;
      const message = messageOf(line.value);
      if (!message) await ears.onLine(line.value);
      else if (message.method === methods.client.session.update && message.id === undefined)
        await ears.onUpdate(message.params);
      else if (message.method === undefined) {
        if (asked.delete(message.id)) return asAnyMessage(message);
        await ears.onLine(line.value);
      } else if (message.id === undefined) {
        if (message.method === methods.protocol.cancelRequest) return asAnyMessage(message);
      } else if (inFlight.has(message.id)) await ears.onLine(line.value);
      else {
        inFlight.set(message.id, message.method);
        return asAnyMessage(message);
      }
    }
  };

  const readable = new ReadableStream<AnyMessage>(
    {
      async pull(controller) {
        // The handler of the message before has begun once the microtasks it waits for have run.
        await nextTask();
        try {
          const message = await next();
          if (message) controller.enqueue(message);
          else controller.close();
        } catch (error) {
          ears.onBroken(error);
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
      if ("method" in message && "id" in message) asked.add(message.id);
      await writeTo(group, `${JSON.stringify(message)}\n`);
      if ("method" in message || !("id" in message)) return;
      inFlight.delete(message.id);
      answered.resolve();
      answered = Promise.withResolvers<void>();
    },
  });

  void group.exited.then(() => {
    closed = true;
    answered.resolve();
  });
  return { readable, writable };
}

function messageOf(line: string): z.infer<typeof Envelope> | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    return Envelope.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** A request's parameters are checked by the SDK, an answer's result by whoever asked. */
function asAnyMessage({ id, method, params, result, error }: z.infer<typeof Envelope>): AnyMessage {
  if (method !== undefined)
    return id === undefined ? { jsonrpc: "2.0", method, params } : { jsonrpc: "2.0", id, method, params };
  if (error === undefined) return { jsonrpc: "2.0", id: id ?? null, result };
  const failure = Failure.safeParse(error).data ?? { code: -32603, message: "The agent sent an error without a code." };
  return { jsonrpc: "2.0", id: id ?? null, error: failure };
}

/** Resolves when the program has room again, or is gone. */
function writeTo(group: ProcessGroup, text: string): Promise<void> {
  const { stdin } = group;
  if (stdin.destroyed || stdin.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stdin.off("drain", done);
      stdin.off("close", done);
      resolve();
    };
    stdin.on("drain", done);
    stdin.on("close", done);
  });
}
