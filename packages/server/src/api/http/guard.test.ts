import { describe, expect, test } from "vitest";
import { Guard } from "./guard.ts";

const guard = new Guard({
  host: "192.168.1.5",
  allowedHosts: ["Wharf.Example.com", "https://only-tls.example", "::2"],
});
const comesIn = (host: string | undefined, origin?: string): boolean => {
  try {
    const headers = { ...(host !== undefined && { host }), ...(origin !== undefined && { origin }) };
    guard.check({ headers });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "forbidden_origin" });
    return false;
  }
};

describe("a request", () => {
  test.each([
    "localhost:8080",
    "LOCALHOST",
    "127.0.0.1",
    "[::1]:80",
    "[::2]",
    "192.168.1.5:1",
    "wharf.example.com",
    "WHARF.example.COM:99",
  ])("to %s is accepted", (host) => expect(comesIn(host)).toBe(true));

  test.each([
    undefined,
    "",
    "evil.example",
    "wharf.example.com.evil.example",
    "127.0.0.1.evil.example",
    "evil.example@localhost:x",
    "evil.example@localhost",
    "evil.example:80@localhost:8080",
    "localhost#.evil.example",
    "localhost?.evil.example",
    "localhost/.evil.example",
    "localhost\\.evil.example",
    "local%68ost",
    "localhost:",
    " localhost",
    "[",
    "//",
  ])("to %s is refused", (host) => expect(comesIn(host)).toBe(false));

  test.each([
    ["localhost:8080", "http://localhost:8080"],
    ["localhost", "http://localhost"],
    ["[::1]:8080", "http://[::1]:8080"],
    ["wharf.example.com", "https://wharf.example.com"],
    ["wharf.example.com:443", "https://wharf.example.com"],
    ["wharf.example.com:8080", "http://WHARF.example.com:8080"],
    ["only-tls.example", "https://only-tls.example"],
  ])("to %s from its own page %s is accepted", (host, origin) => expect(comesIn(host, origin)).toBe(true));

  test.each([
    ["localhost:8080", "http://localhost:5173"],
    ["localhost:8080", "http://localhost"],
    ["localhost:8080", "https://localhost:8080"],
    ["localhost:8080", "http://127.0.0.1:8080"],
    ["wharf.example.com", "https://wharf.example.com:8443"],
    ["wharf.example.com", "https://localhost"],
    ["only-tls.example", "http://only-tls.example"],
    ["localhost:8080", "null"],
    ["localhost:8080", "file://"],
    ["localhost:8080", ""],
    ["localhost:8080", "https://evil.example"],
  ])("to %s from another site's page %s is refused", (host, origin) => expect(comesIn(host, origin)).toBe(false));
});

test("an invalid host name is refused when the server starts", () => {
  const options = { host: "localhost", allowedHosts: ["a b"] };
  expect(() => new Guard(options)).toThrow(expect.objectContaining({ code: "config_invalid" }));
});
