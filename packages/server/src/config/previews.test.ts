import { expect, test } from "vitest";
import { readConfig } from "./index.ts";

const settings = { WHARF_PUBLIC_URL: "https://wharf.example.com:8443", WHARF_PREVIEW_DOMAIN: "Preview.example.net" };

test("previews are below their domain, with the scheme and port of the server's own URL", () => {
  expect(readConfig(settings).previewSite).toEqual({
    publicUrl: new URL(settings.WHARF_PUBLIC_URL),
    domain: "preview.example.net",
  });
  expect(readConfig({}).previewSite).toBeUndefined();
});

test.each([
  [{ WHARF_PUBLIC_URL: undefined }, "WHARF_PUBLIC_URL"],
  [{ WHARF_PREVIEW_DOMAIN: "wharf.example.com" }, "own name"],
  [{ WHARF_PREVIEW_DOMAIN: "preview.wharf.example.com" }, "own name"],
  [{ WHARF_PREVIEW_DOMAIN: "https://preview.example.net" }, "a domain"],
  [{ WHARF_PREVIEW_DOMAIN: "127.0.0.1" }, "a domain"],
])("%o is refused", (changed, reason) => {
  expect(() => readConfig({ ...settings, ...changed })).toThrow(reason);
});
