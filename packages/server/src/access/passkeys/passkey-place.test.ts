import { expect, test } from "vitest";
import { findPasskeyParty } from "./passkey-place.ts";

const find = (host: string, publicUrl?: string) => findPasskeyParty(host, publicUrl ? new URL(publicUrl) : undefined);
const unavailable = (context: object) => expect.objectContaining({ code: "passkeys_unavailable", context });

test("passkeys belong to the public URL, and people elsewhere learn about it", () => {
  const publicUrl = "https://wharf.example.com:8443";
  const party = { domain: "wharf.example.com", origin: publicUrl };
  expect(find("wharf.example.com:8443", publicUrl)).toEqual(party);
  for (const host of ["wharf.example.com", "localhost:4000", "127.0.0.1:4000", "evil.example"])
    expect(find(host, publicUrl)).toEqual(unavailable({ host, url: publicUrl }));
});

test("without a public URL, passkeys work on this machine under its name", () => {
  expect(find("localhost:4000")).toEqual({ domain: "localhost", origin: "http://localhost:4000" });
  for (const host of ["127.0.0.1:4000", "127.1.2.3:4000", "[::1]:4000"])
    expect(find(host)).toEqual(unavailable({ host, url: "http://localhost:4000" }));
  for (const host of ["192.0.2.1:4000", "wharf.lan:4000", "[fe80::1]", "", "a b"])
    expect(find(host)).toEqual(unavailable({ host }));
});

test.each(["http://wharf.example.com", "https://192.0.2.1", "https://[2001:db8::1]", "http://127.0.0.1:4000"])(
  "no browser has passkeys for %s",
  (publicUrl) => {
    const { host } = new URL(publicUrl);
    expect(find(host, publicUrl)).toEqual(unavailable({ host }));
  },
);
