import { setTimeout as sleep } from "node:timers/promises";
import { Health } from "@wharf/contract";
import type { WireClient } from "@wharf/contract/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import { IsolationWatch } from "./isolation-watch.ts";

type Check = Health["isolation_check"];

let gone: AbortController;
let noted: boolean[];
let check: Check;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

beforeEach(() => {
  gone = new AbortController();
  noted = [];
  process.on("unhandledRejection", onUnhandled);
});
afterEach(async () => {
  gone.abort(new Error("the test is over"));
  await sleep(10);
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled.splice(0)).toEqual([]);
});

/** Watches a daemon that reports the current value of `check` as its isolation. */
function watch(required: boolean): IsolationWatch {
  const health = (): Health =>
    Health.parse({
      runner_id: "r",
      version: "0",
      isolation: "container",
      ...(check && { isolation_check: check }),
      uptime_s: 1,
      rss_bytes: 1,
      journal: { epoch: "e", first: 1, last: 0, acked: 0 },
      agent: { status: "none" },
      workspace: { cloned: false },
    });
  const call = async () => {
    gone.signal.throwIfAborted();
    return health();
  };
  const client = { call } as unknown as WireClient;
  const link = { client, signal: gone.signal, [Symbol.asyncDispose]: async () => undefined };
  const rows = { setIsolation: async (_: unknown, held: boolean) => noted.push(held) > 0 };
  return new IsolationWatch({ link, lease: { runner_id: "r", server_id: "one", epoch: 1 }, rows, required });
}

// G-056
test("the result is stored, and an open runner is refused only if isolation is required", async () => {
  check = { state: "unenforced", reason: "10.0.0.1:443 answered" };
  await watch(false).verified;
  await expect.poll(() => noted).toEqual([false]);
  const strict = watch(true);
  await expect(strict.verified).rejects.toMatchObject({ code: "isolation_unenforced" });
  await expect(strict.refused).rejects.toMatchObject({ code: "isolation_unenforced" });
});

test("if isolation is required, the run waits for the result", async () => {
  check = { state: "under_way" };
  const strict = watch(true);
  let known = false;
  void strict.verified.then(() => (known = true));
  await sleep(300);
  expect(known).toBe(false);
  check = { state: "held" };
  await strict.verified;
  expect(noted).toEqual([true]);
});

test("a wire that ends before the result ends only the watch", async () => {
  check = { state: "under_way" };
  const [lax, strict] = [watch(false), watch(true)];
  await lax.verified;
  gone.abort(new Error("the wire went"));
  await expect(strict.verified).rejects.toThrow("the wire went");
});

test("a daemon without targets is asked once, and its backend's isolation counts", async () => {
  check = undefined;
  await watch(true).verified;
  expect(noted).toEqual([true]);
});
