import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("a server without Docker does not load Docker's client", () => {
  const backends = join(import.meta.dirname, "../index.ts");
  const script = `
    import { createRequire } from "node:module";
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes("/dockerode/"));
    const { createDockerBackend } = await import(${JSON.stringify(backends)});
    const before = loaded();
    await createDockerBackend({ engine: { host: "none" } }).catch(() => undefined);
    console.log(before, loaded());`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
  expect(output).toBe("false true\n");
});
