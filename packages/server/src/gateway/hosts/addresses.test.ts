import { expect, test } from "vitest";
import { AddressFinder, selectAddresses } from "./addresses.ts";

const isSelected = (address: string, allowsPrivate: boolean) =>
  selectAddresses([{ address, family: address.includes(":") ? 6 : 4 }], allowsPrivate).length === 1;

test.each(["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8"])("%s may be reached", (address) =>
  expect(isSelected(address, false)).toBe(true),
);

test.each(["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "203.0.113.80", "::ffff:10.0.0.1"])(
  "%s may be reached only by an entry for private networks",
  (address) => {
    expect(isSelected(address, false)).toBe(false);
    expect(isSelected(address, true)).toBe(true);
  },
);

test.each([
  "127.0.0.1",
  "127.1.2.3",
  "0.0.0.0",
  "169.254.169.254",
  "fd00:ec2::254",
  "FD00:0EC2:0:0:0:0:0:254",
  "100.100.100.200",
  "::ffff:100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "::",
  "fe80::1",
  "fe80::1%eth0",
  "ff02::1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:169.254.169.254",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b:1::7f00:1",
  "2002:7f00:1::",
  "2001:0:7f00:1::",
  "not an address",
  "",
])("%s is never reached", (address) => {
  expect(isSelected(address, false)).toBe(false);
  expect(isSelected(address, true)).toBe(false);
});

test("names are resolved as this machine does", async () => {
  const finder = new AddressFinder();
  const [one, two] = await Promise.all([finder.find("localhost"), finder.find("localhost")]);
  expect(one.map(({ address }) => address)).toContain("127.0.0.1");
  expect(two).toEqual(one);
  await expect(finder.find("no-such-name.invalid")).rejects.toMatchObject({
    code: expect.stringMatching(/^E(NOTFOUND|AI_AGAIN)/),
  });
});

test("a runner whose names have no answer does not delay another one's", async () => {
  const lookups: { name: string; end: () => void }[] = [];
  const finder = new AddressFinder(((name: string) => {
    const { promise, resolve } = Promise.withResolvers<never[]>();
    lookups.push({ name, end: () => resolve([]) });
    return promise;
  }) as never);
  const found: string[] = [];
  const ask = (name: string, asker: string) => void finder.find(name, asker).then(() => found.push(name));
  for (const hostile of ["a", "b"]) for (let n = 0; n < 50; n++) ask(`${hostile}${n}.example`, hostile);
  ask("mine.example", "c");
  await expect.poll(() => lookups.map(({ name }) => name)).toEqual(["a0.example", "b0.example"]);
  lookups[0]?.end();
  await expect.poll(() => lookups.at(-1)?.name).toBe("mine.example");
  lookups.at(-1)?.end();
  await expect.poll(() => found).toEqual(["a0.example", "mine.example"]);
  await expect.poll(() => lookups.at(-1)?.name).toBe("a1.example");
});
