import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { readGreeting } from "./tunnel.ts";

test("a first message in thousands of pieces is refused instead of read again with each", async () => {
  let pieces = 0;
  const socket = new Duplex({
    readableHighWaterMark: 1,
    read() {
      pieces += 1;
      this.push("G");
    },
    write: (_chunk, _encoding, done) => done(),
  });
  const greeting = await readGreeting(socket, Buffer.alloc(0), { name: "packages.example", port: 80 }, 60_000);
  expect(greeting).toEqual({ kind: "refused", reason: "its first message comes in too many pieces" });
  expect(pieces).toBeLessThan(2_000);
});
