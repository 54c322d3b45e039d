import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { converse, expectsBubblewrap, Setting, spec } from "./fixtures/setting.ts";

function write(file: string, content: string, mode = 0o755): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
}

/** A prefix as npm makes it: a link in bin to a script in a package, which needs another package beside it. */
function prefix(base: string, shebang = "#!/usr/bin/env node"): string {
  const modules = join(base, "prefix", "lib", "node_modules");
  write(
    join(modules, "@maker", "agent", "dist", "main.mjs"),
    `${shebang}\nimport word from "helper";\nconsole.log(word, process.argv[2], process.execPath);\n`,
  );
  write(join(modules, "helper", "package.json"), '{"name":"helper","exports":"./index.mjs"}');
  write(join(modules, "helper", "index.mjs"), 'export default "helped";');
  write(join(base, "prefix", ".env"), "KEY=secret");
  mkdirSync(join(base, "prefix", "bin"));
  symlinkSync("../lib/node_modules/@maker/agent/dist/main.mjs", join(base, "prefix", "bin", "maker-agent"));
  return join(base, "prefix", "bin");
}

describe.skipIf(!expectsBubblewrap)("a program of this machine", () => {
  test("of an npm prefix runs inside with its packages, by our Node, and brings nothing else along", async () => {
    await using setting = new Setting();
    const backend = await setting.backend({ searchPath: `/usr/bin:${prefix(setting.base)}` });
    expect(await backend.missing("maker-agent")).toBeUndefined();
    const runner = spec({ programs: ["maker-agent", "no-such-program"] });
    await backend.create(runner);
    using conversation = await converse(backend, runner.id);
    expect(await conversation.run("maker-agent", "x y")).toEqual({
      code: 0,
      stdout: "helped x y /opt/wharf/node/bin/node\n",
      stderr: "",
    });
    expect((await conversation.sh("ls -A /opt/agents /opt/agents/maker-agent")).stdout).toBe(
      "/opt/agents:\nbin\nmaker-agent\n\n/opt/agents/maker-agent:\nnode_modules\n",
    );
    expect((await conversation.sh("touch /opt/agents/maker-agent/node_modules/x")).stderr).toMatch(/Read-only/);
  });

  test("that asks for a Node which is not inside is run by ours", async () => {
    await using setting = new Setting();
    const backend = await setting.backend({
      searchPath: `/usr/bin:${prefix(setting.base, "#!/home/me/.nvm/bin/node")}`,
    });
    const runner = spec({ programs: ["maker-agent"] });
    await backend.create(runner);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("maker-agent", "$HOME 'q'")).stdout).toBe(
      "helped $HOME 'q' /opt/wharf/node/bin/node\n",
    );
  });

  test("that is one file, or a package with a manifest, comes in without what lies beside it", async () => {
    await using setting = new Setting();
    write(join(setting.base, "own", "single"), "#!/bin/sh\necho single $1\n");
    write(join(setting.base, "own", "private"), "mine");
    write(
      join(setting.base, "package", "package.json"),
      '{"name":"linked","type":"module","bin":{"linked":"bin/linked.js"}}',
    );
    write(
      join(setting.base, "package", "bin", "linked.js"),
      '#!/usr/bin/env node\nimport { word } from "../word.js";\nconsole.log(word);\n',
    );
    write(join(setting.base, "package", "word.js"), 'export const word = "linked";');
    symlinkSync("../package/bin/linked.js", join(setting.base, "own", "linked"));
    const backend = await setting.backend({ searchPath: `/usr/bin:${join(setting.base, "own")}` });
    const runner = spec({ programs: ["single", "linked"] });
    await backend.create(runner);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("single", "one")).stdout).toBe("single one\n");
    expect((await conversation.run("linked")).stdout).toBe("linked\n");
    expect((await conversation.sh("find /opt/agents -type f | sort")).stdout.trim().split("\n")).toEqual([
      "/opt/agents/linked/package/bin/linked.js",
      "/opt/agents/linked/package/package.json",
      "/opt/agents/linked/package/word.js",
      "/opt/agents/single/single",
    ]);
  });

  test("that a sandbox can't start is told of with the reason", async () => {
    await using setting = new Setting();
    write(join(setting.base, "own", "snake"), "#!/home/me/venv/bin/python\n");
    write(join(setting.base, "own", "plain"), "text", 0o644);
    write(join(setting.kit, "bin", "wharf-demo-agent"), "#!/usr/bin/env node\n");
    const backend = await setting.backend({ searchPath: `/usr/bin:${join(setting.base, "own")}` });
    expect(await backend.missing("snake")).toMatch(/venv.bin.python/);
    expect(await backend.missing("plain")).toMatch(/not on the PATH/);
    expect(await backend.missing("no-such-program")).toMatch(/not on the PATH/);
    expect(await backend.missing("../own/snake")).toMatch(/does not see/);
    expect(await backend.missing(join(setting.base, "own", "snake"))).toMatch(/does not see/);
    for (const there of ["git", "sh", "node", "wharf-demo-agent", "/usr/bin/git"])
      expect(await backend.missing(there), there).toBeUndefined();
  });
});

test("in plain processes every program on the PATH is there", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  expect(await backend.missing("sleep")).toBeUndefined();
  expect(await backend.missing("no-such-program")).toMatch(/not on the PATH/);
});
