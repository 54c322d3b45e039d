import {
  Envelope,
  Event,
  type SocketEndpoint,
  sockets,
  StreamControl,
  StreamHeartbeat,
  Subscribe,
  TerminalControl,
  TerminalRequest,
  Unsubscribe,
} from "@wharf/contract";
import type { z } from "zod";
import type { ComponentSchemas, JsonSchema } from "./component-schemas.ts";
import { toTemplate } from "./path-template.ts";

interface SocketMessages {
  readonly server: readonly z.ZodType[];
  readonly client: readonly z.ZodType[];
}

const terminalMessages: SocketMessages = { server: [TerminalControl], client: [TerminalRequest] };

/** The messages of each WebSocket that are JSON. */
const messages: Readonly<Record<keyof typeof sockets, SocketMessages>> = {
  taskStream: { server: [Event], client: [StreamControl] },
  boardStream: { server: [Envelope], client: [StreamHeartbeat] },
  globalStream: { server: [Event, Envelope], client: [Subscribe, Unsubscribe] },
  terminalStream: terminalMessages,
  taskTerminal: terminalMessages,
  workspaceTerminal: terminalMessages,
};

/** Describes the WebSockets. OpenAPI has no form for them, so this is an extension. */
export const describeSockets = (schemas: ComponentSchemas): JsonSchema[] =>
  Object.entries<SocketEndpoint>(sockets).map(([name, { path, summary, needs }]) => {
    // The keys of an object are texts to the type of its entries.
    const { server, client } = messages[name as keyof typeof sockets];
    return {
      name,
      path: toTemplate(path),
      summary,
      "x-permission": needs,
      messages: {
        server: convertAny(server, (one) =>
          // Routes send events and envelopes too.
          one === Event || one === Envelope ? schemas.convert(one, "output") : schemas.convertInPlace(one, "output"),
        ),
        client: convertAny(client, (one) => schemas.convertInPlace(one, "input")),
      },
    };
  });

function convertAny(alternatives: readonly z.ZodType[], convert: (one: z.ZodType) => JsonSchema): JsonSchema {
  const [first, ...others] = alternatives.map(convert);
  return first !== undefined && others.length === 0 ? first : { anyOf: [first, ...others] };
}
