import { WharfError } from "@wharf/contract";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { Notifications, Wakeup } from "../store/index.ts";
import { AccessWatch, accessWakeup } from "./access-watch.ts";
import type { Credentials } from "./authenticator.ts";
import type { Caller } from "./scope.ts";

const caller: Caller = { user_id: "u", username: "ada", organization_id: "o", role: "member", is_operator: false };
const refusal = new WharfError("unauthenticated", {});

/** Opens the watch of a server whose sender is authenticated as `authenticate` says. */
function openWatch(authenticate: () => Promise<Caller>, wakeup: Wakeup = new Wakeup()) {
  const watch = new AccessWatch({ authenticator: { authenticate }, wakeup });
  watch.start();
  onTestFinished(() => watch.stop());
  /** Adds a use, and resolves with the error that ends it. */
  const add = (subject: string, check: () => Promise<unknown> = async () => undefined, since = watch.time) => {
    const { promise, resolve } = Promise.withResolvers<WharfError>();
    watch.add({ credentials: {}, subject, check, onWithdrawn: resolve }, { caller, since });
    return promise;
  };
  return { watch, wakeup, add };
}

async function openNotifications(f: Fixture): Promise<Notifications> {
  const notifications = new Notifications({ connection: f.connection, onError: () => undefined });
  onTestFinished(() => notifications[Symbol.asyncDispose]());
  const listening = Promise.withResolvers<void>();
  notifications.subscribe({ onMissed: listening.resolve });
  await listening.promise;
  return notifications;
}

describe("a watch of access", () => {
  test("learns of changes on another server", async () => {
    await using f = await fixture();
    const [a, b] = [new Wakeup(await openNotifications(f)), new Wakeup(await openNotifications(f))];
    let isRefused = false;
    const { add } = openWatch(async () => {
      if (isRefused) throw refusal;
      return caller;
    }, b);
    const end = add("task");
    isRefused = true;
    a.poke(accessWakeup);
    expect(await end).toBe(refusal);
  });

  test("authenticates a sender and checks a subject once for all uses", async () => {
    let authentications = 0;
    const { add, wakeup } = openWatch(async () => (authentications++, caller));
    let checks = 0;
    const check = async () => {
      checks++;
      throw refusal;
    };
    const ends = Array.from({ length: 1_000 }, () => add("task", check));
    wakeup.poke(accessWakeup);
    await Promise.all(ends);
    expect([authentications, checks]).toEqual([1, 1]);
  });

  test("keeps uses while checks fail for another reason, and tries again", async () => {
    let failures = 2;
    const { add, wakeup } = openWatch(async () => {
      if (failures-- > 0) throw new Error("the database is restarting");
      throw refusal;
    });
    const end = add("task");
    wakeup.poke(accessWakeup);
    expect(await end).toBe(refusal);
    expect(failures).toBe(-1);
  });

  test("checks a use at once whose sender was authenticated before a change", async () => {
    const { watch, add, wakeup } = openWatch(async () => caller);
    const before = watch.time;
    wakeup.poke(accessWakeup);
    await expect.poll(() => watch.time).toBeGreaterThan(before);
    expect(await add("task", () => Promise.reject(refusal), before)).toBe(refusal);
  });

  test("tells the sessions of people apart", async () => {
    const wakeup = new Wakeup();
    const authenticate = async ({ proof }: Credentials) => {
      if (JSON.stringify(proof).includes("ended")) throw refusal;
      return caller;
    };
    const watch = new AccessWatch({ authenticator: { authenticate }, wakeup });
    watch.start();
    onTestFinished(() => watch.stop());
    const withdrawn: string[] = [];
    const isWithdrawn = Promise.withResolvers<void>();
    for (const sessionId of ["first", "ended", "last"]) {
      const onWithdrawn = () => {
        withdrawn.push(sessionId);
        isWithdrawn.resolve();
      };
      const credentials = { proof: { session_id: sessionId } };
      const use = { credentials, subject: "task", check: async () => undefined, onWithdrawn };
      watch.add(use, { caller, since: watch.time });
    }
    wakeup.poke(accessWakeup);
    await isWithdrawn.promise;
    expect(withdrawn).toEqual(["ended"]);
  });
});
