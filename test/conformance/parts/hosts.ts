import { execFileSync } from "node:child_process";
import { getHostPatterns } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";
import { type Escape, escapes, socketEscapes } from "./escapes.ts";

/** The registry that this machine installs packages from. */
const registry = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
const debian = "http://deb.debian.org/debian";
const install = `npm_config_registry=${registry} npm install --no-audit --no-fund --no-save`;
const packageTimeout = { timeout_s: 150 };

/** Programs that install packages and that come from npm's registry themselves. */
const packageManagers = {
  npm: ["npm", `${install} is-number@7.0.0`],
  pnpm: [
    "pnpm@10.20.0",
    `PNPM_CONFIG_REGISTRY=${registry} npm_config_registry=${registry} ../node_modules/.bin/pnpm add is-number@7.0.0`,
  ],
  "yarn 1": ["yarn@1.22.22", `YARN_REGISTRY=${registry} ../node_modules/.bin/yarn add is-number@7.0.0`],
  "yarn 4": [
    "@yarnpkg/cli-dist@4.9.2",
    `export YARN_NPM_REGISTRY_SERVER=${registry.replace(/\/$/, "")} YARN_NODE_LINKER=node-modules YARN_ENABLE_TELEMETRY=0; touch yarn.lock; node ../node_modules/@yarnpkg/cli-dist/bin/yarn.js add is-number@7.0.0`,
  ],
  bun: [
    "bun@1.3.1",
    `npm_config_registry=${registry} BUN_INSTALL_CACHE_DIR=$PWD/.bun ../node_modules/.bin/bun add is-number@7.0.0`,
  ],
} as const satisfies Readonly<Record<string, readonly [string, string]>>;

/** Clients of HTTP that fetch a file's head with nothing but the environment of the runner. */
const clients = {
  curl: `curl -sSf ${registry}is-number`,
  "curl without proxies": `env -u https_proxy -u HTTPS_PROXY -u http_proxy -u HTTP_PROXY curl -sSf ${registry}is-number`,
  "curl over plain HTTP": `curl -sSf ${debian}/dists/bookworm/Release`,
  "Node's fetch": `node -e 'fetch("${registry}is-number").then(async (answer) => console.log(await answer.text()))'`,
  "Node's https": `node -e 'require("https").get("${registry}is-number", (answer) => answer.pipe(process.stdout))'`,
  "Node's fetch without proxies": `env -u NODE_USE_ENV_PROXY node -e 'fetch("${registry}is-number").then(async (answer) => console.log(await answer.text()))'`,
  git: `git ls-remote ${registry}is-number 2>&1 | grep -q "not found\\|not valid" && echo is-number`,
};

/** Programs in a runner reach the hosts of its allow-lists, and nothing else. */
export function hosts(under: BackendUnderTest): void {
  let harness: ConformanceHarness;
  let runner: Runner;
  beforeAll(async () => {
    harness = await ConformanceHarness.open(under);
    runner = await harness.runner();
    // The company's mirror that a machine is set up for may have a private address.
    const names = [new URL(registry).host, new URL(debian).host];
    harness.hostRules = [{ patterns: names.flatMap(getHostPatterns), allowsPrivate: true }];
  });
  afterAll(() => harness[Symbol.asyncDispose]());

  test.for(Object.entries(packageManagers))("%s installs a package", async ([name, [program, command]]) => {
    const folder = name.replace(" ", "-");
    const steps = [
      `mkdir -p ${folder}/project && cd ${folder}`,
      ...(program === "npm" ? [] : [`echo {} > package.json && ${install} ${program}`]),
      "cd project && echo '{}' > package.json",
      command,
      "node -e 'console.log(require(\"is-number\")(42))'",
    ];
    const { exit, stdout, stderr } = await runner.exec(steps.join(" && "), packageTimeout);
    expect({ exit_code: exit?.exit_code, last: stdout.trim().split("\n").at(-1) }, stdout + stderr).toEqual({
      exit_code: 0,
      last: "true",
    });
    await runner.exec(`rm -rf ${folder}`);
  });

  test("apt fetches a package's file", async () => {
    const folders = "-o Dir::State=/tmp/apt/state -o Dir::Cache=/tmp/apt/cache -o Dir::Etc=/tmp/apt/etc";
    const steps = [
      "mkdir -p /tmp/apt/state/lists/partial /tmp/apt/cache/archives/partial /tmp/apt/etc && cd /tmp/apt",
      `echo 'deb [trusted=yes] ${debian} bookworm main' > etc/sources.list`,
      `apt-get ${folders} -o APT::Sandbox::User= -o Acquire::Languages=none update`,
      `apt-get ${folders} download hostname`,
      "ls hostname_*.deb",
    ];
    const { exit, stdout, stderr } = await runner.exec(steps.join(" && "), packageTimeout);
    expect(exit?.exit_code, stdout + stderr).toBe(0);
    await runner.exec("rm -rf /tmp/apt");
  });

  test.for(Object.entries(clients))("%s reaches an allowed host", async ([, command]) => {
    const { exit, stdout, stderr } = await runner.exec(command, packageTimeout);
    expect(exit?.exit_code, stderr).toBe(0);
    expect(stdout).toMatch(/is-number|Debian/);
  });

  test("a host that no list contains is refused with its name and the way to allow it", async () => {
    harness.denials.length = 0;
    const { stdout } = await runner.exec("curl -s http://denied.example/");
    expect(stdout).toContain("denied.example");
    expect(stdout).toContain("wharf allow");
    const { stderr } = await runner.exec("curl -sS https://denied.example/");
    expect(stderr).toContain("403");
    expect(harness.denials.map(({ host }) => host)).toEqual(["denied.example", "denied.example"]);
  });

  async function expectNoEscape({ command, refused, denied }: Escape): Promise<void> {
    harness.denials.length = 0;
    const { exit, stdout, stderr } = await runner.exec(command, { timeout_s: 30 });
    expect({ exit_code: exit?.exit_code, output: stdout + stderr }, command).toEqual({
      exit_code: 0,
      output: expect.stringMatching(refused),
    });
    if (denied === undefined) return;
    const deniedHosts = harness.denials.map(({ host }) => host);
    expect(deniedHosts, command).toContainEqual(expect.stringMatching(denied));
  }

  test.for(Object.entries(escapes))(
    "%s: nothing leads out, and the gateway sees each attempt",
    async ([, attempts]) => {
      for (const escape of attempts) await expectNoEscape(escape);
    },
  );

  if (under.capabilities.hasNetwork === true) return;
  test("sockets of its own lead nowhere", async () => {
    for (const escape of socketEscapes) await expectNoEscape(escape);
  });
}
