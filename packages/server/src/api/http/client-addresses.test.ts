import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ClientAddresses } from "./client-addresses.ts";

interface Sent {
  readonly remote?: string;
  readonly headers?: IncomingHttpHeaders;
  readonly url?: string;
}

const createMessage = ({ remote, headers = {}, url = "/api/v1/tasks" }: Sent) => ({
  headers,
  method: "GET",
  url,
  socket: { remoteAddress: remote } as Socket,
});
const open = (trustedProxies: readonly string[] = [], forwardingKey = "a key") => {
  const addresses = new ClientAddresses({ trustedProxies, forwardingKey });
  return {
    addresses,
    find: (remote: string | undefined, forwardedFor?: string) =>
      addresses.find(
        createMessage({
          ...(remote !== undefined && { remote }),
          headers: forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor },
        }),
      ),
  };
};

test("the client is named by trusted proxies, one behind the other, and by no other sender", () => {
  const { find } = open(["10.0.0.0/8", "2001:db8::1"]);
  expect(find("192.0.2.9")).toBe("192.0.2.9");
  expect(find("192.0.2.9", "203.0.113.7")).toBe("192.0.2.9");
  expect(find("10.1.2.3", "203.0.113.7")).toBe("203.0.113.7");
  expect(find("::ffff:10.1.2.3", "203.0.113.7")).toBe("203.0.113.7");
  expect(find("2001:db8::1", "203.0.113.7, 10.9.9.9")).toBe("203.0.113.7");
  // A client may send the header too; what its proxy adds is at the end.
  expect(find("10.1.2.3", "198.51.100.1, 203.0.113.7")).toBe("203.0.113.7");
  expect(open().find("10.1.2.3", "203.0.113.7")).toBe("10.1.2.3");
});

test("text that is no address never becomes one", () => {
  const { find } = open(["10.0.0.0/8"]);
  expect(find("10.1.2.3", "a\tb c")).toBe("10.1.2.3");
  expect(find("10.1.2.3", "unknown, 10.4.5.6")).toBe("10.4.5.6");
  expect(find(undefined)).toBe("local");
  expect(find(undefined, "203.0.113.7")).toBe("local");
});

test("a request that another server has forwarded keeps its client, and no other sender can claim one", () => {
  const { addresses } = open(["10.0.0.0/8"]);
  const remote = "10.1.2.3";
  const headers = addresses.createForwardedHeader(
    createMessage({ remote, headers: { "x-forwarded-for": "203.0.113.7" } }),
  );
  const forwarded = createMessage({ remote: "192.0.2.2", headers });
  expect([addresses.find(forwarded), addresses.isForwarded(forwarded)]).toEqual(["203.0.113.7", true]);
  const others = [
    createMessage({ remote: "192.0.2.2", headers, url: "/api/v1/runners" }),
    createMessage({ remote: "192.0.2.2", headers: { "x-wharf-forwarded": "203.0.113.8 x" } }),
    createMessage({ remote: "192.0.2.2", headers: open([], "another").addresses.createForwardedHeader(forwarded) }),
  ];
  for (const other of others)
    expect([addresses.find(other), addresses.isForwarded(other)]).toEqual(["192.0.2.2", false]);
});
