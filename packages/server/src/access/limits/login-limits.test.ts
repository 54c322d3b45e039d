import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import { LoginLimits } from "./login-limits.ts";
import { getNetwork } from "./network.ts";

const attempt = { account: "ada@example.com", address: "192.0.2.1" };

/** Returns how many of these attempts the limits let through. */
async function countPassed(limits: LoginLimits, attempts: readonly { account: string; address: string }[]) {
  let passed = 0;
  for (const one of attempts)
    await limits.begin(one).then(
      () => passed++,
      () => undefined,
    );
  return passed;
}

const repeat = <T>(count: number, create: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => create(i));
const passTime = (f: Fixture, seconds: number) =>
  f.db.update(schema.login_failures).set({
    blocked_until: sql`blocked_until - make_interval(secs => ${seconds})`,
    forget_at: sql`forget_at - make_interval(secs => ${seconds})`,
  });

test("five failures of an account block it for half a minute, each further one for twice as long", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  const tries = repeat(8, () => attempt);
  expect(await countPassed(limits, tries)).toBe(5);
  for (const seconds of [30, 60, 120, 240, 480, 900, 900]) {
    await expect(limits.begin(attempt)).rejects.toMatchObject({ context: { retry_after_s: expect.any(Number) } });
    await passTime(f, seconds - 5);
    expect(await countPassed(limits, tries)).toBe(0);
    await passTime(f, 5);
    expect(await countPassed(limits, tries)).toBe(1);
  }
});

test("attempts at the same time count like those one after the other", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  const results = await Promise.allSettled(repeat(20, () => limits.begin(attempt)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
});

test("counts outlive the server, and hold for all servers", async () => {
  await using f = await fixture();
  await countPassed(
    new LoginLimits(f.db),
    repeat(5, () => attempt),
  );
  await expect(new LoginLimits(f.db).begin(attempt)).rejects.toMatchObject({ code: "rate_limited" });
});

test("a success forgives the account's failures, and does not lift the block of others", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  const other = { ...attempt, account: "bob@example.com" };
  expect(
    await countPassed(
      limits,
      repeat(5, () => other),
    ),
  ).toBe(5);
  for (let i = 0; i < 100; i++) {
    await limits.begin(attempt);
    await limits.succeed(attempt);
  }
  await expect(limits.begin(other)).rejects.toMatchObject({ code: "rate_limited" });
});

test("one network cannot try many accounts, and many networks cannot try one", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  const fromOne = repeat(80, (i) => ({ account: `user${i}@example.com`, address: "192.0.2.7" }));
  expect(await countPassed(limits, fromOne)).toBe(50);
  const atOne = repeat(80, (i) => ({ account: "target@example.com", address: `198.51.100.${i}` }));
  expect(await countPassed(limits, atOne)).toBe(50);
  await limits.begin({ account: "user1@example.com", address: "203.0.113.9" });
});

test("one client can neither block an account everywhere nor its whole network", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  await countPassed(
    limits,
    repeat(200, () => attempt),
  );
  await limits.begin({ ...attempt, address: "203.0.113.9" });
  await limits.begin({ ...attempt, account: "bob@example.com" });
});

test("an account that is blocked from one network may log in from another", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  await countPassed(
    limits,
    repeat(5, () => attempt),
  );
  await limits.begin({ ...attempt, address: "203.0.113.9" });
});

test("counts end after an hour without failures, and their rows are removed", async () => {
  await using f = await fixture();
  const limits = new LoginLimits(f.db);
  await countPassed(
    limits,
    repeat(4, () => attempt),
  );
  await passTime(f, 3_601);
  expect(
    await countPassed(
      limits,
      repeat(9, () => attempt),
    ),
  ).toBe(5);
  await passTime(f, 10_000);
  expect(await limits.prune(2)).toBe(2);
  expect(await limits.prune(2)).toBe(1);
});

test("an address stands for its network", () => {
  expect(getNetwork("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(getNetwork("2001:db8:0:1::5")).toBe(getNetwork("2001:db8:0:1:ffff::9"));
  expect(getNetwork("2001:db8:0:1::5")).not.toBe(getNetwork("2001:db8:0:2::5"));
  expect(getNetwork("")).toBe("");
});
