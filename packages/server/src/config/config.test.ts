import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { readConfig } from "./index.ts";

// S-003
test("proxies are addresses and networks, and never all addresses", () => {
  const networks = "10.0.0.0/8,192.0.2.1,2001:db8::/32";
  expect(readConfig({ WHARF_TRUSTED_PROXIES: networks }).trustedProxies).toEqual(networks.split(","));
  for (const wrong of ["0.0.0.0/0", "10.0.0.0/33", "proxy.example.com", "10.0.0.0/8/1"])
    expect(() => readConfig({ WHARF_TRUSTED_PROXIES: wrong })).toThrow(wrong);
});

test.each([
  [{}, "local"],
  [{ AGENT_MODE: "local" }, "local"],
  [{ AGENT_MODE: "mock" }, "mock"],
  [{ WHARF_BACKEND: "mock" }, "mock"],
  [{ AGENT_MODE: "remote", WHARF_BACKEND: "mock" }, "mock"],
  [{ AGENT_MODE: "mock", WHARF_BACKEND: "local" }, "local"],
])("%o means the backend '%s'", (environment, backend) => {
  expect(readConfig(environment).backend).toBe(backend);
});

test("a daemon's stop grace leaves time for its work and is shorter than the timeout of a stop", () => {
  expect(readConfig({}).stopGraceMs).toBe(12_000);
  expect(readConfig({ WHARF_STOP_GRACE: "30s" }).stopGraceMs).toBe(30_000);
  for (const wrong of ["4s", "46s", "1h", "12"])
    expect(() => readConfig({ WHARF_STOP_GRACE: wrong }), wrong).toThrow(/WHARF_STOP_GRACE/);
});

test("one step of a runner's git has five minutes, or the configured time", () => {
  expect(readConfig({}).gitTimeoutMs).toBe(300_000);
  expect(readConfig({ WHARF_GIT_TIMEOUT: "20m" }).gitTimeoutMs).toBe(1_200_000);
  for (const wrong of ["9s", "2d", "0m", "5"])
    expect(() => readConfig({ WHARF_GIT_TIMEOUT: wrong }), wrong).toThrow(/WHARF_GIT_TIMEOUT/);
});

test("a person's prices come before the published ones, and a mistake in their file is named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-config-"));
  try {
    const WHARF_PRICES = join(folder, "prices.json");
    const model = { route: "gemini", api: "gemini", model: "gemini-2.5-pro" } as const;
    const find = (environment: Record<string, string>) => readConfig(environment).prices.findPrice(model, new Date());
    await writeFile(WHARF_PRICES, '{"prices":[{"models":["gemini-*"],"input":7,"output":8}]}');
    expect(find({ WHARF_PRICES })).toMatchObject({ input: 7 });
    expect(find({})).toMatchObject({ input: 1.25 });
    await writeFile(WHARF_PRICES, '{"prices":[{"models":["gemini-*"],"output":8}]}');
    expect(() => find({ WHARF_PRICES })).toThrow(/WHARF_PRICES .*prices\.json: prices\.0\.input: /);
    expect(() => find({ WHARF_PRICES: folder })).toThrow(/WHARF_PRICES .*EISDIR/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the budget of tasks is an amount of money, and an empty one is a mistake and not a budget of nothing", () => {
  const read = (WHARF_TASK_BUDGET: string) => readConfig({ WHARF_TASK_BUDGET }).taskBudget;
  expect(readConfig({}).taskBudget).toBeUndefined();
  expect([read("2.50"), read("0"), read("0.000001")]).toEqual([2_500_000, 0, 1]);
  for (const text of ["", " ", "-1", "$5", "5e3", "0x10", "1,50", "Infinity", "0.0000001", "10000000000"])
    expect(() => read(text)).toThrow(/WHARF_TASK_BUDGET/);
});

test("Docker is configured by the same variables as Docker's own command", () => {
  const environment = { DOCKER_HOST: "tcp://far:2376", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certificates" };
  expect(readConfig({ ...environment, WHARF_DOCKER_WIRE: "exec" }).docker).toEqual({
    host: "tcp://far:2376",
    tls: true,
    certificates: "/certificates",
    wire: "exec",
  });
  expect(readConfig({})).toMatchObject({ docker: { tls: false }, runnerImage: "wharf-runner:latest" });
  expect(() => readConfig({ WHARF_DOCKER_WIRE: "string" })).toThrow(/WHARF_DOCKER_WIRE/);
});

test("a registry and a tag apply to the runner image and the pool's images, not to other images", () => {
  const names = { WHARF_IMAGE_PREFIX: "registry.example.com/team/", WHARF_IMAGE_TAG: "0.1.0" };
  const readDockerConfig = (environment: Record<string, string>) =>
    readConfig({ WHARF_BACKEND: "docker", ...names, ...environment });
  expect(readDockerConfig({}).runnerImage).toBe("registry.example.com/team/wharf-runner:0.1.0");
  expect(readDockerConfig({ WHARF_RUNNER_IMAGE: "debian:12" }).runnerImage).toBe("debian:12");
  expect(readDockerConfig({ WHARF_POOL: "small:wharf-gemini=1" }).pool).toEqual([
    { tier: "small", size: 1, image: "registry.example.com/team/wharf-gemini:0.1.0" },
  ]);
  expect(() => readDockerConfig({ WHARF_IMAGE_PREFIX: "registry.example.com/team" })).toThrow(
    /WHARF_IMAGE_PREFIX.*slash/,
  );
});

test("the timeout for a model's response is a duration, ten minutes by default", () => {
  expect(readConfig({}).modelTimeoutMs).toBe(600_000);
  expect(readConfig({ WHARF_MODEL_TIMEOUT: "90s" }).modelTimeoutMs).toBe(90_000);
  expect(() => readConfig({ WHARF_MODEL_TIMEOUT: "soon" })).toThrow(/WHARF_MODEL_TIMEOUT.*'soon' is not a time/);
});

test("a mode without a backend and an unknown backend are refused by name", () => {
  expect(() => readConfig({ AGENT_MODE: "remote" })).toThrow(/AGENT_MODE.*WHARF_BACKEND/);
  expect(() => readConfig({ WHARF_BACKEND: "moon" })).toThrow(WharfError);
});

test("a pool is set by size, or by size and image, and invalid entries are refused", () => {
  const pool = (WHARF_POOL: string) => readConfig({ WHARF_POOL, WHARF_BACKEND: "docker" }).pool;
  expect(pool("")).toEqual([]);
  expect(pool("small=10")).toEqual([{ tier: "small", size: 10 }]);
  expect(pool("small=4, medium:host:5000/wharf-gemini:latest=2,large=0")).toEqual([
    { tier: "small", size: 4 },
    { tier: "medium", image: "host:5000/wharf-gemini:latest", size: 2 },
  ]);
  for (const wrong of ["small", "huge=1", "small=-1", "small=1,small=2", "small=1001", "custom=1", "toString=1"])
    expect(() => pool(wrong), wrong).toThrow(/WHARF_POOL/);
  expect(() => readConfig({ WHARF_POOL: "small:an-image=1" })).toThrow(/WHARF_POOL.*'local' does not use images/);
});

// K-074 K-075
test("only named agents get credentials of this machine, and only known ones", () => {
  const granted = (WHARF_HOST_CREDENTIALS: string, WHARF_BACKEND = "docker") =>
    Object.fromEntries(readConfig({ WHARF_HOST_CREDENTIALS, WHARF_BACKEND }).hostCredentials);
  expect(readConfig({ WHARF_BACKEND: "docker" }).hostCredentials.size).toBe(0);
  expect(granted("gemini = ssh, gitconfig,ssh ;claude=ssh-agent;")).toEqual({
    gemini: ["gitconfig", "ssh"],
    claude: ["ssh-agent"],
  });
  for (const [wrong, reason] of [
    ["gemini", "gemini=gitconfig,ssh"],
    ["gemini=", "not one of gitconfig, git-credentials, ssh, ssh-agent"],
    ["gemini=aws", "'aws' for 'gemini' is not one of"],
    ["*=ssh", "does not have the form"],
    ["gemini=ssh;gemini=gitconfig", "'gemini' is named twice"],
  ] as const)
    expect(() => granted(wrong), wrong).toThrow(new RegExp(`WHARF_HOST_CREDENTIALS.*${reason}`));
  for (const backend of ["local", "mock", "kubernetes"])
    expect(() => granted("gemini=ssh", backend)).toThrow(new RegExp(`WHARF_HOST_CREDENTIALS.*'${backend}'`));
});

test("a server that only this machine reaches uses its paths and networks; any other none of them", () => {
  const anyHost = { pattern: "*", allowsLoopback: false, allowsHttp: false };
  for (const host of ["127.0.0.1", "localhost", "::1"])
    expect(readConfig({ WHARF_HOST: host }).gitAddresses).toEqual({
      hosts: [{ ...anyHost, allowsPrivate: true }],
      localFolders: ["/"],
    });
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "localhost.example.com"])
    expect(readConfig({ WHARF_HOST: host }).gitAddresses).toEqual({
      hosts: [{ ...anyHost, allowsPrivate: false }],
      localFolders: [],
    });
});

test("the repositories that tasks may name are a list of hosts and of folders", () => {
  const text = "GitHub.com, *.corp.example+private+http, [::1]:8080+loopback, ,10.0.0.1:22";
  const none = { allowsPrivate: false, allowsLoopback: false, allowsHttp: false };
  expect(readConfig({ WHARF_GIT_HOSTS: text, WHARF_GIT_LOCAL_PATHS: "/srv/git/,/home" }).gitAddresses).toEqual({
    hosts: [
      { ...none, pattern: "github.com" },
      { ...none, pattern: "*.corp.example", allowsPrivate: true, allowsHttp: true },
      { ...none, pattern: "::1", port: 8080, allowsLoopback: true },
      { ...none, pattern: "10.0.0.1", port: 22 },
    ],
    localFolders: ["/srv/git", "/home"],
  });
  expect(readConfig({ WHARF_GIT_HOSTS: "", WHARF_GIT_LOCAL_PATHS: "" }).gitAddresses).toEqual({
    hosts: [],
    localFolders: [],
  });
  for (const wrong of [
    "git.example+public",
    "https://github.com",
    "a b",
    "host:0",
    "host:70000",
    "*x.example",
    "+http",
  ])
    expect(() => readConfig({ WHARF_GIT_HOSTS: wrong }), wrong).toThrow(/WHARF_GIT_HOSTS/);
  expect(() => readConfig({ WHARF_GIT_LOCAL_PATHS: "git" })).toThrow(/WHARF_GIT_LOCAL_PATHS.*absolute/);
});

test("the author of commits is a name and an address, without anything that ends them in a commit", () => {
  expect(readConfig({ WHARF_GIT_AUTHOR: " Ada Lovelace  <ada@example.com>" }).gitAuthor).toEqual({
    name: "Ada Lovelace",
    email: "ada@example.com",
  });
  expect(readConfig({}).gitAuthor).toBeUndefined();
  for (const wrong of ["Ada", "<ada@example.com>", "Ada <ada>", "A\nb <ada@example.com>", "Ada <a@b> <c@d>"])
    expect(() => readConfig({ WHARF_GIT_AUTHOR: wrong }), wrong).toThrow(/WHARF_GIT_AUTHOR/);
});
