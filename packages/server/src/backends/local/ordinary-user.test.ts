import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { expectsBubblewrap } from "./fixtures/setting.ts";

const nobody = 65534;

/** Returns whether a user without rights can read the sources and Node. */
function isOpenToAll(path: string): boolean {
  accessSync(path, constants.R_OK);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

const canTry =
  expectsBubblewrap && process.getuid?.() === 0 && isOpenToAll(import.meta.filename) && isOpenToAll(process.execPath);

test.skipIf(!canTry)("an ordinary user's runners are sandboxes too, also after a restart of the server", async () => {
  const script = join(import.meta.dirname, "fixtures", "ordinary-user.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    uid: nobody,
    gid: nobody,
    env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
  });
  const { limits, forks, ...seen } = JSON.parse(stdout);
  // A user without a session and without cgroups can limit processes alone, if the kernel counts
  // them per user namespace.
  if (limits.startsWith("limited:")) expect(forks).toBeLessThanOrEqual(100);
  expect(seen).toEqual({
    user: nobody,
    inside: "1000\n",
    capabilities: "0000000000000000\n",
    writable: "",
    userNamespace: 1,
    host: "",
    interfaces: "lo\n",
    running: [{ id: seen.id, state: "running" }],
    cpuSeconds: expect.any(Number),
    id: seen.id,
    left: false,
  });
  expect(seen.cpuSeconds).toBeGreaterThan(0);
});
