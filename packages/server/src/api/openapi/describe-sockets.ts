import {
  Event,
  type SocketEndpoint,
  sockets,
  StreamControl,
  Subscribe,
  TerminalControl,
  TerminalRequest,
} from "@wharf/contract";
import type { z } from "zod";
import type { ComponentSchemas, JsonSchema } from "./component-schemas.ts";
import { toTemplate } from "./path-template.ts";

/** The messages of each WebSocket that are JSON. */
const messages = {
  taskStream: { server: Event, client: StreamControl },
  globalStream: { server: Event, client: Subscribe },
  terminalStream: { server: TerminalControl, client: TerminalRequest },
} as const satisfies Record<keyof typeof sockets, { readonly server: z.ZodType; readonly client: z.ZodType }>;

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
        // The pages of a task's log have events too.
        server: server === Event ? schemas.convert(server, "output") : schemas.convertInPlace(server, "output"),
        client: schemas.convertInPlace(client, "input"),
      },
    };
  });
