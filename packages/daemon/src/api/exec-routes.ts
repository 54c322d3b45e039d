import { execApi } from "@wharf/contract";
import type { Commands } from "../exec/index.ts";
import type { RouteHandlers } from "./route-handlers.ts";

/** Serves commands over the wire. Requests wait until the daemon has found its old commands. */
export function createExecHandlers(commandsPromise: Promise<Commands>): RouteHandlers<typeof execApi> {
  return {
    exec: async ({ body }, signal) => (await commandsPromise).run(body, signal),
    execOnce: async ({ body }, signal) => (await commandsPromise).runOnce(body, signal),
    startCommand: async ({ body }) => (await commandsPromise).start(body),
    commands: async () => ({ commands: (await commandsPromise).list() }),
    command: async ({ params }) => (await commandsPromise).getInfo(params.command_id),
    followCommand: async ({ params, query: { after: startOffset, follow, encoding } }, signal) =>
      (await commandsPromise).follow(params.command_id, { after: startOffset, wait: follow, encoding, signal }),
    writeCommand: async ({ params, body: { data, encoding, offset, end } }) =>
      (await commandsPromise).write(params.command_id, Buffer.from(data, encoding), { offset, end }),
    killCommand: async ({ params, body }) => (await commandsPromise).kill(params.command_id, body.signal),
    removeCommand: async ({ params }) => {
      await (await commandsPromise).remove(params.command_id);
      return { ok: true };
    },
  };
}
