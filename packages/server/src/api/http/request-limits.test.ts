import { describe, expect, test } from "vitest";
import { formatQuota, RequestLimits, requireQuota } from "./request-limits.ts";

const user = { user_id: "ada" };

function createLimits(more: { maxSenders?: number; perUser?: number; perAddress?: number } = {}) {
  let now = 0;
  const limits = new RequestLimits({ perUser: 10, perAddress: 3, now: () => now, ...more });
  const countAccepted = (times: number, caller: typeof user | undefined, address: string) =>
    Array.from({ length: times }, () => limits.count(caller, address)).filter((quota) => quota?.isExceeded !== true)
      .length;
  return { limits, countAccepted, passSeconds: (seconds: number) => (now += seconds * 1_000) };
}

describe("the limits of requests", () => {
  test("accept so many requests of an address in a minute, and again in the next minute", () => {
    const { countAccepted, passSeconds } = createLimits();
    expect(countAccepted(5, undefined, "192.0.2.1")).toBe(3);
    passSeconds(59);
    expect(countAccepted(5, undefined, "192.0.2.1")).toBe(0);
    passSeconds(1);
    expect(countAccepted(5, undefined, "192.0.2.1")).toBe(3);
  });

  test("count a user, whatever the address, and an address for itself", () => {
    const { countAccepted } = createLimits();
    expect(countAccepted(6, user, "192.0.2.1")).toBe(6);
    expect(countAccepted(6, user, "192.0.2.2")).toBe(4);
    expect(countAccepted(6, { user_id: "bob" }, "192.0.2.2")).toBe(6);
    expect(countAccepted(6, undefined, "192.0.2.2")).toBe(3);
    expect(countAccepted(6, undefined, "192.0.2.3")).toBe(3);
  });

  test("count the addresses that one client has in IPv6 together", () => {
    const { countAccepted } = createLimits();
    expect(countAccepted(2, undefined, "2001:db8:0:1::5")).toBe(2);
    expect(countAccepted(2, undefined, "2001:db8:0:1:ffff::9")).toBe(1);
    expect(countAccepted(2, undefined, "2001:db8:0:2::5")).toBe(2);
  });

  test("accept any number over the data folder's socket, and where the limit is 0", () => {
    const { limits } = createLimits({ perAddress: 0 });
    for (let i = 0; i < 50; i++) expect(limits.count(user, "local")).toBeUndefined();
    for (let i = 0; i < 50; i++) expect(limits.count(undefined, "192.0.2.1")).toBeUndefined();
    expect(limits.size).toBe(0);
  });

  test("remember a bounded number of senders, and none after their minute", () => {
    const { limits, countAccepted, passSeconds } = createLimits({ maxSenders: 100 });
    for (let i = 0; i < 10_000; i++) limits.count(undefined, `2001:db8:${(i >> 8).toString(16)}:${i & 255}::1`);
    expect(limits.size).toBe(100);
    expect(countAccepted(5, undefined, "192.0.2.1")).toBe(3);
    passSeconds(60);
    expect(countAccepted(1, undefined, "192.0.2.2")).toBe(1);
    expect(limits.size).toBe(1);
  });

  test("say what is left, and when to try again", () => {
    const { limits, passSeconds } = createLimits();
    limits.count(undefined, "192.0.2.1");
    passSeconds(17.5);
    const quota = limits.count(undefined, "192.0.2.1")!;
    expect(formatQuota(quota, new Date(1_000_000))).toEqual({
      "ratelimit-policy": '"address";q=3;w=60',
      ratelimit: '"address";r=1;t=43',
      "x-ratelimit-limit": "3",
      "x-ratelimit-remaining": "1",
      "x-ratelimit-reset": "1043",
    });
    requireQuota(quota);
    requireQuota(limits.count(undefined, "192.0.2.1"));
    expect(() => requireQuota(limits.count(undefined, "192.0.2.1"))).toThrow(
      expect.objectContaining({
        code: "too_many_requests",
        context: { limit: 3, sender: "address", retry_after_s: 43 },
      }),
    );
  });
});
