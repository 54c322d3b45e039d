import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { getLinkPath, createLink } from "./short-path.ts";
import { socketName, WireListener } from "./wire-listener.ts";

let folder: string;
let listener: WireListener;
const sockets: Socket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-wire-"));
  // A killed server leaves this file behind.
  writeFileSync(join(folder, socketName), "");
  listener = await WireListener.open(folder);
});

afterEach(() => {
  listener.close(new Error("the test is over"));
  for (const socket of sockets.splice(0)) socket.destroy();
  rmSync(folder, { recursive: true, force: true });
});

async function arrive(word: string): Promise<Socket> {
  const socket = connect(join(folder, socketName));
  socket.on("error", () => undefined);
  sockets.push(socket);
  await once(socket, "connect");
  socket.write(word);
  return socket;
}

test("only its owner may connect", () => {
  expect(statSync(join(folder, socketName)).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, socketName)).isSocket()).toBe(true);
});

test("a connection that came before a caller is handed over with its first bytes, and of several the newest", async () => {
  const older = await arrive("older");
  const closed = new Promise((resolve) => older.once("close", resolve));
  await arrive("newer");
  await closed;
  const wire = await listener.accept();
  expect(String((await once(wire, "data"))[0])).toBe("newer");
  wire.destroy();
});

test("a connection that has waited too long is not handed over, because its daemon may have abandoned it", async () => {
  const stale = await arrive("stale");
  const closed = once(stale, "close");
  await sleep(3_600);
  const wire = listener.accept();
  await closed;
  await arrive("fresh");
  expect(String((await once(await wire, "data"))[0])).toBe("fresh");
  (await wire).destroy();
});

test("waiting callers get one connection each, in the order of their calls", async () => {
  const waiting = [listener.accept(), listener.accept()];
  for (const word of ["first", "second"]) await arrive(word);
  for (const [index, word] of ["first", "second"].entries()) {
    const wire = await waiting[index];
    expect(String((await once(wire ?? expect.unreachable(), "data"))[0])).toBe(word);
    wire?.destroy();
  }
});

test("a closed connection is not handed over", async () => {
  const gone = await arrive("");
  gone.destroy();
  await sleep(50);
  const next = listener.accept(AbortSignal.timeout(2000));
  await arrive("there");
  const wire = await next;
  expect(String((await once(wire, "data"))[0])).toBe("there");
  wire.destroy();
});

test("a waiting caller gets an error when its signal aborts and when the listener closes", async () => {
  await expect(listener.accept(AbortSignal.timeout(10))).rejects.toMatchObject({ name: "TimeoutError" });
  await expect(listener.accept(AbortSignal.abort(new Error("no")))).rejects.toThrow("no");
  const waiting = listener.accept();
  listener.close(new Error("closed"));
  await expect(waiting).rejects.toThrow("closed");
});

test("a flood of connections is blocked for a while and keeps at most one, and the next dial still gets a wire", async () => {
  const wire = listener.accept();
  await arrive("wire");
  const held = await wire;
  const before = readdirSync("/proc/self/fd").length;
  let accepted = 0;
  for (const until = performance.now() + 600; performance.now() < until; await sleep(1)) {
    accepted += await arrive("flood").then(
      () => 1,
      () => 0,
    );
  }
  expect(accepted).toBeGreaterThan(10);
  expect(accepted).toBeLessThan(50);
  // The count includes both ends of the pending connection, and the descriptors that the test
  // itself holds open.
  expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 10);
  // The flood does not affect a wire in use.
  held.write("x");
  expect(held.destroyed).toBe(false);
  held.destroy();
  await expect
    .poll(
      () =>
        arrive("after").then(
          () => true,
          () => false,
        ),
      { timeout: 3000, interval: 100 },
    )
    .toBe(true);
  await expect
    .poll(async () => {
      // The listener also hands over the remains of the flood: only the handshake identifies a
      // connection.
      const next = await listener.accept(AbortSignal.timeout(5000));
      const [word] = await once(next, "data");
      next.destroy();
      return String(word);
    })
    .toBe("after");
});

test("if a folder cannot be reached by its descriptor, a short private link leads to it", async () => {
  const temporary = mkdtempSync(join(tmpdir(), "wharf-links-"));
  const long = join(folder, "x".repeat(120));
  mkdirSync(long);
  const link = await createLink(long, temporary);
  expect(await createLink(long, temporary)).toBe(link);
  expect(link).toBe(getLinkPath(long, temporary));
  writeFileSync(join(link, "file"), "");
  expect(readdirSync(long)).toEqual(["file"]);
  rmSync(temporary, { recursive: true });
  mkdirSync(join(getLinkPath(long, temporary), ".."), { recursive: true, mode: 0o755 });
  await expect(createLink(long, temporary)).rejects.toThrow(/another user/);
  rmSync(temporary, { recursive: true });
});
