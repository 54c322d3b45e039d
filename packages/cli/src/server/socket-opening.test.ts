import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { waitForOpen } from "./socket-opening.ts";

const sentCharacters = 8_000_000;

test("a refusal of any length is read in bounded memory and rejects with its status", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined);
    socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${sentCharacters}\r\n\r\n${"x".repeat(sentCharacters)}`);
  });
  try {
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let length = 0;
    const refused = waitForOpen(new WebSocket(url.replace("http", "ws")), { url, token: "t" }, (status, text) => {
      length = text.length;
      return new Error(`refused with ${status}`);
    });
    await expect(refused).rejects.toThrow("refused with 404");
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(sentCharacters / 8);
  } finally {
    server.close();
  }
});
