import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { converse, expectsBubblewrap, Setting, spec } from "./fixtures/setting.ts";

function write(file: string, content: string, mode = 0o755): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
}

/**
 * Creates a prefix as npm does: a link in bin to a script in a package, which needs a neighbouring
 * package.
 */
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

/** pnpm writes such shims for its global packages. */
const pnpmShim = (script: string): string => `#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\\\,/,g')")

if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/${script}" "$@"
else
  exec node  "$basedir/${script}" "$@"
fi
`;

describe.skipIf(!expectsBubblewrap)("a program of this machine", () => {
  test("of an npm prefix runs inside with its packages and Wharf's Node, and brings nothing else", async () => {
    await using setting = new Setting();
    const backend = await setting.backend({ searchPath: `/usr/bin:${prefix(setting.base)}` });
    expect(await backend.getMissingReason("maker-agent")).toBeUndefined();
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

  test("that names a Node which is not inside runs with Wharf's Node", async () => {
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

  test("that is one file or a package with a manifest is mounted without its neighbours", async () => {
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

  test("of pnpm runs inside with the packages that pnpm keeps for it", async () => {
    await using setting = new Setting();
    const home = join(setting.base, "pnpm");
    const store = join(home, "global", "5", ".pnpm");
    const main = join(store, "@maker+agent@1.0.0", "node_modules", "@maker", "agent", "main.mjs");
    write(main, '#!/usr/bin/env node\nimport word from "helper";\nconsole.log(word, process.argv[2]);\n');
    const helper = join(store, "helper@2.0.0", "node_modules", "helper");
    write(join(helper, "package.json"), '{"name":"helper","exports":"./index.mjs"}');
    write(join(helper, "index.mjs"), 'export default "helped";');
    symlinkSync("../../helper@2.0.0/node_modules/helper", join(dirname(dirname(dirname(main))), "helper"));
    mkdirSync(join(home, "global", "5", "node_modules", "@maker"), { recursive: true });
    symlinkSync(dirname(main), join(home, "global", "5", "node_modules", "@maker", "agent"));
    write(join(home, "maker-agent"), pnpmShim("global/5/node_modules/@maker/agent/main.mjs"));
    write(join(home, "broken-agent"), pnpmShim("global/5/node_modules/broken/main.mjs"));
    const backend = await setting.backend({ searchPath: `/usr/bin:${home}` });
    expect(await backend.getMissingReason("broken-agent")).toMatch(/installed by pnpm/);
    const runner = spec({ programs: ["maker-agent"] });
    await backend.create(runner);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("maker-agent", "word")).stdout).toBe("helped word\n");
  });

  test("that is a version manager's shim on the PATH is reported with a next step", async () => {
    await using setting = new Setting();
    const shims = join(setting.base, "shims");
    const script = (manager: string) =>
      `#!/usr/bin/env bash\n# plugin: nodejs\nexec "/home/me/bin/${manager}" exec "$@"\n`;
    write(join(shims, "of-asdf"), script("asdf"));
    write(join(shims, "of-nodenv"), script("nodenv"));
    write(join(shims, "of-itself"), "#!/bin/sh\nexec something exec\n");
    write(join(setting.base, "bin", "mise"), "");
    write(join(setting.base, "bin", "volta-shim"), "");
    symlinkSync("../bin/mise", join(shims, "of-mise"));
    symlinkSync("../bin/volta-shim", join(shims, "of-volta"));
    const backend = await setting.backend({ searchPath: `/usr/bin:${shims}` });
    for (const manager of ["asdf", "nodenv", "mise", "volta"])
      expect(await backend.getMissingReason(`of-${manager}`)).toMatch(
        new RegExp(`shim of ${manager}.*${manager} which of-`),
      );
    expect(await backend.getMissingReason("of-itself")).toBeUndefined();
  });

  test("that a sandbox cannot start is reported with the reason", async () => {
    await using setting = new Setting();
    write(join(setting.base, "own", "snake"), "#!/home/me/venv/bin/python\n");
    write(join(setting.base, "own", "plain"), "text", 0o644);
    write(join(setting.kit, "bin", "wharf-demo-agent"), "#!/usr/bin/env node\n");
    const backend = await setting.backend({ searchPath: `/usr/bin:${join(setting.base, "own")}` });
    expect(await backend.getMissingReason("snake")).toMatch(/venv.bin.python/);
    expect(await backend.getMissingReason("plain")).toMatch(/not on the PATH/);
    expect(await backend.getMissingReason("no-such-program")).toMatch(/not on the PATH/);
    expect(await backend.getMissingReason("../own/snake")).toMatch(/is not visible/);
    expect(await backend.getMissingReason(join(setting.base, "own", "snake"))).toMatch(/is not visible/);
    for (const there of ["git", "sh", "node", "wharf-demo-agent", "/usr/bin/git"])
      expect(await backend.getMissingReason(there), there).toBeUndefined();
  });
});

test("plain processes have every program on the PATH", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  expect(await backend.getMissingReason("sleep")).toBeUndefined();
  expect(await backend.getMissingReason("no-such-program")).toMatch(/not on the PATH/);
});
