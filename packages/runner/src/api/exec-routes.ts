import { execApi } from "@wharf/contract";
import type { Commands } from "../exec/index.ts";
import type { HandlersOf } from "./handlers-of.ts";

/** Commands over the wire. A request that comes before the daemon has found its old commands waits for that. */
export function execHandlers(opened: Promise<Commands>): HandlersOf<typeof execApi> {
  return {
    exec: async ({ body }, signal) => (await opened).run(body, signal),
    execOnce: async ({ body }, signal) => (await opened).runOnce(body, signal),
    startCommand: async ({ body }) => (await opened).start(body),
    commands: async () => ({ commands: (await opened).list() }),
    command: async ({ params }) => (await opened).info(params.command_id),
    followCommand: async ({ params, query: { after, follow, encoding } }, signal) =>
      (await opened).follow(params.command_id, { after, wait: follow, encoding, signal }),
    writeCommand: async ({ params, body: { data, encoding, offset, end } }) =>
      (await opened).write(params.command_id, Buffer.from(data, encoding), { offset, end }),
    killCommand: async ({ params, body }) => (await opened).kill(params.command_id, body.signal),
    removeCommand: async ({ params }) => {
      await (await opened).remove(params.command_id);
      return { ok: true };
    },
  };
}
