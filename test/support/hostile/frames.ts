import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Attacks on a multiplexer, by their names in the test. Frames are yamux's: version, type, flags,
 * id, length.
 */
type Abuse = (socket: Duplex) => Promise<void>;

const type = { data: 0, window: 1, ping: 2 };
const open = 1;

function frame(kind: number, flags: number, { id = 0, length = 0 }: { id?: number; length?: number }): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(kind, 1);
  header.writeUInt16BE(flags, 2);
  header.writeUInt32BE(id, 4);
  header.writeUInt32BE(length, 8);
  return header;
}

/** Writes as fast as the other end reads. */
async function write(socket: Duplex, bytes: Buffer): Promise<void> {
  if (socket.destroyed || socket.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = () => resolve();
    socket.once("drain", done).once("close", done);
  });
}

export const abuses: Record<string, Abuse> = {
  async "a frame of 1 GB"(socket) {
    await write(socket, frame(type.data, open, { id: 1, length: 2 ** 30 }));
    while (!socket.destroyed) await write(socket, Buffer.alloc(1 << 20));
  },
  async "a stream that was never opened"(socket) {
    await write(socket, Buffer.concat([frame(type.data, 0, { id: 4243, length: 3 }), Buffer.from("hey")]));
  },
  async "100,000 streams"(socket) {
    for (let i = 0; i < 100_000 && !socket.destroyed; i += 100) {
      await write(
        socket,
        Buffer.concat(Array.from({ length: 100 }, (_, j) => frame(type.window, open, { id: 2 * (i + j) + 1 }))),
      );
    }
  },
  async "ignored windows"(socket) {
    await write(socket, frame(type.data, open, { id: 1 }));
    const piece = Buffer.concat([frame(type.data, 0, { id: 1, length: 65_536 }), Buffer.alloc(65_536, "x")]);
    while (!socket.destroyed) await write(socket, piece);
  },
  async "endless pings"(socket) {
    const many = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(type.ping, open, { length: i })));
    while (!socket.destroyed) await write(socket, many);
  },
  async "half a frame, then silence"(socket) {
    await write(socket, frame(type.data, open, { id: 1, length: 100 }).subarray(0, 7));
    await sleep(60_000, undefined, { ref: false });
  },
  async "bytes that are no frames"(socket) {
    while (!socket.destroyed) await write(socket, Buffer.alloc(65_536, 0xee));
  },
};
