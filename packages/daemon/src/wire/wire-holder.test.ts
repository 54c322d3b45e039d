import { duplexPair } from "node:stream";
import { acceptWire } from "@wharf/contract/wire";
import { expect, test } from "vitest";
import { WireHolder } from "./wire-holder.ts";

const key = "ab".repeat(32);
const runnerId = "11111111-2222-4333-8444-555555555555";

test("a server of an earlier epoch is refused while the later epoch is still being written to disk", async () => {
  const written = Promise.withResolvers<void>();
  const holder = new WireHolder({ key, runnerId, onEpoch: () => written.promise, onStream: () => undefined });
  const dial = (epoch: number) => {
    const [server, daemon] = duplexPair();
    const daemonEnd = holder.acceptWire(daemon);
    daemonEnd.catch(() => undefined);
    return { daemonEnd, serverEnd: acceptWire(server, { key, runnerId, epoch }) };
  };
  const later = dial(6);
  await later.serverEnd;
  await expect(dial(3).serverEnd).rejects.toMatchObject({ code: "wire_superseded" });
  written.resolve();
  await later.daemonEnd;
  holder.stop();
});
