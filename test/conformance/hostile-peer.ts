import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { offerWire } from "@wharf/contract/wire";
import { serveAnswers } from "../support/hostile/answers.ts";
import { abuses } from "../support/hostile/frames.ts";
import { lies } from "../support/hostile/lies.ts";

/** A daemon that breaks its word in the way that is named, on one connection. */
export async function behave(mode: string, socket: Socket, who: { key: string; runnerId: string }): Promise<void> {
  if (mode === "garbage for a handshake") return void socket.write("GET / HTTP/1.1\r\n\r\n".repeat(1000));
  if (mode === "a wrong key") {
    socket.write(Buffer.concat([Buffer.from("wharf/1\n"), randomBytes(32)]));
    await once(socket, "data");
    return void socket.write(Buffer.concat([Buffer.of(1), Buffer.alloc(8), randomBytes(32)]));
  }
  await offerWire(socket, { ...who, lastEpoch: 0 });
  const abuse = abuses[mode];
  if (abuse) return abuse(socket.resume());
  const answers = lies[mode];
  if (!answers) throw new Error(`nobody knows how to be hostile by '${mode}'`);
  serveAnswers(socket, { runnerId: who.runnerId, answers });
}
