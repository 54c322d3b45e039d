import { expect, test } from "vitest";
import { parseAddress } from "./address.ts";

test.each([
  ["https://github.com/a/b.git/", { protocol: "https", name: "github.com", port: undefined }],
  ["HTTPS://GitHub.com:8443/a", { protocol: "https", name: "github.com", port: 8443 }],
  ["http://2130706433/a", { protocol: "http", name: "127.0.0.1" }],
  ["https://[::1]/a", { protocol: "https", name: "::1" }],
  ["ssh://git@host:2222/a", { protocol: "ssh", name: "host", port: 2222, user: "git" }],
  ["git@host:a/b.git", { protocol: "ssh", name: "host", port: undefined, user: "git" }],
  ["host:a", { protocol: "ssh", name: "host", user: undefined }],
])("%s leads to its host", (url, endpoint) => {
  expect(parseAddress(url)).toMatchObject({ kind: "network", endpoint });
});

test.each(["/srv/a", "file:///srv/a", "file:///srv/%61"])("%s is a path", (url) => {
  expect(parseAddress(url)).toMatchObject({ kind: "local", path: "/srv/a" });
});

test.each([
  "--upload-pack=id",
  "-oProxyCommand=id:a",
  "ext::sh -c id",
  "fd::17",
  "git://host/a",
  "ftp://host/a",
  "ssh://-oProxyCommand=id/a",
  "ssh://-l@host/a",
  "ssh://%2doProxyCommand=id/a",
  "ssh://ho%20st/a",
  "ssh://host$(id)/a",
  "host`id`:a",
  "host:--upload-pack=id",
  "https://",
  "file://elsewhere/a",
  "a/b",
  "a\u0000b",
])("%j is no address", (url) => {
  expect(() => parseAddress(url)).toThrow(expect.objectContaining({ code: "bad_request" }));
});

test.each([
  "https://ada:pw@host/a",
  "https://token@host/a",
  "http://:pw@host/a",
  "ssh://git:pw@host/a",
  "git:pw@host:a",
])("%s is refused because it contains a login", (url) => {
  expect(() => parseAddress(url)).toThrow(/must not contain a login: .*WHARF_GIT_CREDENTIALS/);
});
