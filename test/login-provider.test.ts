import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientId, clientSecret, startLoginProvider } from "./support/logins/login-provider.ts";
import { type Page, TestBrowser } from "./support/logins/test-browser.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

/** Logins with a real OpenID provider, and of programs that a person confirms in a browser. */
const password = "correct horse battery";
const people = {
  ada: { email: "ada@example.com" },
  grace: { email: "Grace@Example.com" },
  lin: { email: "lin@example.com" },
  mallory: { email: "ada@example.com", email_verified: false },
  eve: { email: "eve@elsewhere.example" },
  boss: { email: "owner@localhost" },
};

let folder: string;
let url: string;
let provider: Awaited<ReturnType<typeof startLoginProvider>>;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  const port = await findFreePort();
  url = `http://127.0.0.1:${port}`;
  provider = await startLoginProvider(people, url);
  const secretFile = join(folder, "secret");
  writeFileSync(secretFile, `${clientSecret}\n`, { mode: 0o644 });
  wharf = new ServerHarness(folder, {
    WHARF_PORT: String(port),
    WHARF_PUBLIC_URL: url,
    WHARF_OIDC_ISSUER: provider.issuer,
    WHARF_OIDC_CLIENT_ID: clientId,
    WHARF_OIDC_CLIENT_SECRET_FILE: secretFile,
    WHARF_OIDC_NAME: "Example",
    WHARF_OIDC_DOMAINS: "example.com,localhost",
  });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A login leads to the board; the page of the account says who is logged in. */
const openAccount = (browser: TestBrowser, page: Page): Promise<Page> | Page =>
  page.url.pathname === "/" ? browser.open(`${page.url.origin}/account`) : page;

/**
 * Logs in at the provider, from Wharf's login page on; returns the page of Wharf after that, or that
 * of the account if the login succeeded.
 */
async function logIn(browser: TestBrowser, name: string, address = url): Promise<Page> {
  const form = await browser.follow(await browser.open(`${address}/login`), "/oidc/login");
  const consent = await browser.submit(form, { login: name, password: "any" });
  return openAccount(browser, consent.url.origin === address ? consent : await browser.submit(consent));
}

async function invite(email: string): Promise<string> {
  const { stdout, stderr } = await wharf.cli("user", "invite", email);
  expect(stderr).toContain("Send this link");
  return stdout.trim();
}

const getName = (page: Page) => /You are logged in as <b>(.*?)<\/b>/.exec(page.text)?.[1];

describe("a login with a provider", () => {
  test("is refused in plain words without an account and an invitation", async () => {
    const page = await logIn(new TestBrowser(), "lin");
    expect(page.status).toBe(403);
    expect(page.text).toContain("No account of this server has the address lin@example.com");
    expect(page.text).toContain("wharf user invite");
  });

  test("accepts an invitation for the verified address, with the person's consent, and is known from then on", async () => {
    await invite("grace@example.com");
    const browser = new TestBrowser();
    const question = await logIn(browser, "grace");
    expect(question.text).toContain("You are invited as member with the address <b>grace@example.com</b>");
    expect((await browser.open(`${url}/account`)).url.pathname).toBe("/login");
    // The person wanted this page before the login.
    const account = await browser.submit(question);
    expect([account.url.pathname, getName(account)]).toEqual(["/account", "grace"]);
    expect(getName(await logIn(new TestBrowser(), "grace"))).toBe("grace");
    expect((await wharf.cli("user", "ls")).stdout).toContain("grace");
  });

  test("reaches an account with a password only by the verified address, and asks first", async () => {
    const link = await invite("ada@example.com");
    const browser = new TestBrowser();
    await browser.submit(await browser.open(link), { username: "ada", password });
    expect((await logIn(new TestBrowser(), "mallory")).text).toContain("has not verified an e-mail address");
    const other = new TestBrowser();
    const question = await logIn(other, "ada");
    expect(question.text).toContain("log in to the account <b>ada</b>");
    expect((await other.open(`${url}/account`)).url.pathname).toBe("/login");
    expect(getName(await other.submit(question))).toBe("ada");
    expect((await other.submit(question)).status).toBe(410);
    expect(getName(await logIn(new TestBrowser(), "ada"))).toBe("ada");
  });

  test("is linked to the account with which the browser is logged in, and removed on its page", async () => {
    const browser = new TestBrowser();
    const link = (await wharf.cli("login", "--link")).stdout.trim();
    const board = await browser.submit(await browser.open(link.replace(/^http:\/\/[^/]+/, url)));
    const account = await openAccount(browser, board);
    expect(getName(account)).toBe("owner");
    const form = await browser.follow(account, "Example");
    const question = await browser.submit(await browser.submit(form, { login: "boss", password: "any" }));
    expect(question.text).toContain("log in to the account <b>owner</b>");
    const linked = await browser.submit(question);
    expect(getName(linked)).toBe("owner");
    expect(getName(await logIn(new TestBrowser(), "boss"))).toBe("owner");
    const removed = await browser.submit(linked, { id: /name="id" value="([^"]+)"/.exec(linked.text)?.[1] ?? "" });
    expect(removed.text).not.toContain(provider.issuer);
    // The account runs the server, so the address alone does not prove it.
    expect((await logIn(new TestBrowser(), "boss")).text).toContain("runs the server");
  });

  test("is refused for other domains, and when the person cancels it", async () => {
    expect((await logIn(new TestBrowser(), "eve")).text).toContain("does not accept addresses of elsewhere.example");
    const browser = new TestBrowser();
    const form = await browser.follow(await browser.open(`${url}/login`), "Example");
    const cancelled = await browser.follow(form, "abort");
    expect([cancelled.url.origin, cancelled.status]).toEqual([url, 403]);
    expect(cancelled.text).toContain("The login was cancelled");
  });

  test("counts only in the browser that began it, and once", async () => {
    const browser = new TestBrowser();
    await logIn(browser, "grace");
    const answer = `${url}/oidc/callback?code=stolen&state=guessed`;
    for (const other of [new TestBrowser(), browser]) expect((await other.open(answer)).status).toBe(410);
    const begun = new TestBrowser();
    await begun.follow(await begun.open(`${url}/login`), "Example");
    const wrong = await begun.open(answer);
    expect(wrong.status).toBe(502);
    expect(wrong.text).toContain("did not complete the login");
    const { stdout } = await wharf.cli("audit", "ls", "--action", "login", "--json");
    expect(stdout).toContain("login");
    expect(stdout).not.toContain("guessed");
  });

  test("ends in Wharf, and at the provider with one more click", async () => {
    const browser = new TestBrowser();
    const account = await logIn(browser, "grace");
    const loggedOut = await browser.submit({
      ...account,
      text: account.text.replace(/.*(<form[^>]*"\/logout")/s, "$1"),
    });
    expect(loggedOut.url.pathname).toBe("/logged-out");
    expect((await browser.open(`${url}/account`)).url.pathname).toBe("/login");
    const question = await browser.follow(loggedOut, "Log out of Example too");
    expect(question.url.origin).toBe(provider.issuer);
  });

  test("is checked by the doctor", async () => {
    expect((await wharf.cli("doctor")).stdout).toMatch(/login provider\s+Example/);
  });
});

test("new people get an account if the settings allow it, as long as the provider says that they belong", async () => {
  const belonging = {
    zoe: { email: "zoe@example.com", groups: ["staff", "wharf"] },
    yan: { email: "yan@example.com" },
  };
  const port = await findFreePort();
  const address = `http://127.0.0.1:${port}`;
  await using other = await startLoginProvider(belonging, address);
  await using server = new ServerHarness(join(folder, "other"), {
    WHARF_PORT: String(port),
    WHARF_PUBLIC_URL: address,
    WHARF_OIDC_ISSUER: other.issuer,
    WHARF_OIDC_CLIENT_ID: clientId,
    WHARF_OIDC_CLIENT_SECRET: clientSecret,
    WHARF_OIDC_CLAIMS: "groups=wharf",
    WHARF_OIDC_NEW_ACCOUNTS: "viewer",
  });
  await server.start();
  expect((await logIn(new TestBrowser(), "yan", address)).text).toContain("people without one of the required claims");
  expect(getName(await logIn(new TestBrowser(), "zoe", address))).toBe("zoe");
  expect((await server.cli("user", "ls")).stdout).toMatch(/zoe +viewer/);
  belonging.zoe.groups = ["staff"];
  expect((await logIn(new TestBrowser(), "zoe", address)).status).toBe(403);
  expect(server.log).not.toContain(clientSecret);
});

describe("wharf login --browser", () => {
  test("logs the program in that a person has confirmed, once", async () => {
    const child = spawn(process.execPath, [launcher, "login", "--browser", "--url", url], {
      env: wharf.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let shown = "";
    const link = Promise.withResolvers<string>();
    child.stderr.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      const [, address, code] = /(http\S+\/device\?code=\S+)[\s\S]*code: (\S+)/.exec(shown) ?? [];
      if (address !== undefined && code !== undefined) link.resolve(address);
    });
    const browser = new TestBrowser();
    const login = await browser.open(await link.promise);
    expect(login.url.pathname).toBe("/login");
    const form = await browser.follow(login, "Example");
    const question = await browser.submit(await browser.submit(form, { login: "grace", password: "any" }));
    expect(question.url.pathname).toBe("/device");
    expect(question.text).toContain("A program asks to log in as <b>grace</b>");
    const confirmed = await browser.submit(question, { decision: "confirm" });
    expect(confirmed.text).toContain("The program is logged in");
    const [stdout, [exitCode]] = await Promise.all([text(child.stdout), once(child, "close")]);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`as grace`)]);
    expect((await wharf.cli("whoami", "--url", url)).stdout).toContain("grace");
    expect((await browser.submit(question, { decision: "confirm" })).status).toBe(404);
  });
});
