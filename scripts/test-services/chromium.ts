import { existsSync } from "node:fs";
import { canRun, installDebianPackages, type TestService } from "./service.ts";

/** Debian's programs. The shell has no window and starts faster. */
const programs = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

/** Returns the Chromium of this machine; `CHROMIUM` names another one. */
export const findChromium = (): string | undefined =>
  process.env["CHROMIUM"] ?? programs.find((path) => existsSync(path));

export const chromium: TestService = {
  name: "chromium",
  purpose: "the pages in a browser",
  isPresent: () => {
    const path = findChromium();
    return path !== undefined && canRun(path, "--version");
  },
  install: () => installDebianPackages("chromium-headless-shell"),
};
