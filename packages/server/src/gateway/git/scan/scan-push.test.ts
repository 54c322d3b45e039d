import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateAccessToken } from "../../../access/credentials/access-token.ts";
import { formatRefreshToken } from "../../../access/sessions/refresh-token.ts";
import { KnownSecrets } from "../../../redaction/index.ts";
import { commit, git, gitError, hostGit, listeningGateway, Scratch, type Seen } from "../../testing.ts";
import { ObjectReader } from "./object-reader.ts";
import { ObjectScan, type SecretFinding } from "./object-scan.ts";
import { scanPush } from "./scan-push.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const branch = "shadow/task-1";
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** A text that no one else's scanner takes for a token in this file. */
const createRandomText = (length: number, alphabet = letters) =>
  Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join("");
const createGithubToken = () => `ghp${"_"}${createRandomText(36)}`;
const knownKey = `known-${createRandomText(30)}`;

interface Pushing {
  readonly work: string;
  readonly seen: Seen;
  readonly allowed: Set<string>;
}

async function startPushing(files?: Record<string, string>): Promise<Pushing> {
  const mirrors = scratch.openMirrors();
  const { repository_id: id } = await mirrors.ensure(await scratch.repository("source", files));
  const secrets = new KnownSecrets();
  secrets.register("GEMINI_API_KEY", knownKey);
  const allowed = new Set<string>();
  const { url, seen } = await listeningGateway(scratch, {
    mirrors,
    context: { repository_id: id, shadow_branch: branch },
    limits: { pushScan: { getMatcher: () => secrets.matcher, findAllowed: async () => allowed } },
  });
  await git(scratch.path, "clone", "--quiet", `${url}/git/${id}.git`, "work");
  return { work: join(scratch.path, "work"), seen, allowed };
}

const push = ({ work }: Pushing) => git(work, "push", "--quiet", "--force", "origin", `HEAD:refs/heads/${branch}`);
const pushRefused = ({ work }: Pushing) => gitError(work, "push", "--force", "origin", `HEAD:refs/heads/${branch}`);

describe("a push with a known secret is refused", () => {
  test.each([
    ["plain", knownKey],
    ["base64", Buffer.from(`:${knownKey}`).toString("base64")],
    ["hex", Buffer.from(knownKey).toString("hex")],
  ])("as %s, with the file and the line, at the pusher and in the task's log", async (_form, text) => {
    const pushing = await startPushing();
    await commit(pushing.work, { "src/keys.ts": `one\ntwo\nconst key = "${text}";\n` });
    const output = await pushRefused(pushing);
    const reason = "the push contains secrets: src/keys.ts:3 the server's GEMINI_API_KEY [known-secret]";
    expect(output).toContain(`remote: wharf: ${reason}`);
    expect(output).not.toContain(text);
    expect(pushing.seen.denied.at(-1)?.reason).toContain(reason);
    expect(pushing.seen.pushed).toEqual([]);
  });

  test("also in a commit that a later commit corrects", async () => {
    const pushing = await startPushing();
    await commit(pushing.work, { "a.txt": knownKey });
    await commit(pushing.work, { "a.txt": "nothing" });
    expect(await pushRefused(pushing)).toContain("a.txt:1 the server's GEMINI_API_KEY");
  });

  test("in a commit message and in the name of a folder", async () => {
    const pushing = await startPushing();
    await commit(pushing.work, { "a.txt": "a" }, `Use ${knownKey}`);
    expect(await pushRefused(pushing)).toMatch(/commit [0-9a-f]{12}:\d+ the server's GEMINI_API_KEY/);
    await git(pushing.work, "reset", "--quiet", "--hard", "origin/main");
    await commit(pushing.work, { [`x/${knownKey}/a.txt`]: "a" });
    const output = await pushRefused(pushing);
    expect(output).toContain("the server's GEMINI_API_KEY");
    expect(output.replaceAll(/^To .*$/gm, "")).not.toContain(knownKey);
  });

  test("and no one can allow it", async () => {
    const pushing = await startPushing();
    await commit(pushing.work, { "a.txt": knownKey });
    for (const text of [knownKey, `known-secret\0${knownKey}`])
      pushing.allowed.add(createHash("sha256").update(text).digest("hex").slice(0, 16));
    const output = await pushRefused(pushing);
    expect(output).toContain("GEMINI_API_KEY");
    expect(output).not.toContain("--allow-secret");
  });
});

test("a push with a token is refused until a person allows its fingerprint", async () => {
  const pushing = await startPushing();
  const token = createGithubToken();
  await commit(pushing.work, { "config.yml": `\n\ntoken: ${token}\n` });
  const output = await pushRefused(pushing);
  const [, fingerprint = ""] = /config\.yml:3 GitHub token \[github-token ([0-9a-f]{16})\]/.exec(output) ?? [];
  expect(output).toContain("--allow-secret");
  expect(output).not.toContain(token);
  pushing.allowed.add(fingerprint);
  await push(pushing);
  expect(pushing.seen.pushed).toHaveLength(1);
  await commit(pushing.work, { "other.yml": createGithubToken() });
  expect(await pushRefused(pushing)).toContain("other.yml:1 GitHub token");
});

test("what the repository already contains does not stop a push", async () => {
  const token = createGithubToken();
  const filler = Array.from({ length: 2_000 }, () => createRandomText(30)).join("\n");
  const pushing = await startPushing({ "old.txt": `${token}\n${filler}\n${knownKey}\n` });
  await commit(pushing.work, { "new.txt": "harmless", "old2.txt": `${filler}\n` });
  await push(pushing);
  expect(pushing.seen.pushed).toHaveLength(1);
});

describe("what the repository already contains", () => {
  /** Scans a push of blobs in this order, of which a mirror has the existing ones. */
  async function scanBlobs(existing: readonly string[], added: readonly string[]): Promise<string | undefined> {
    const [mirror, work] = [join(scratch.path, "mirror.git"), await scratch.repository("work")];
    await git(scratch.path, "init", "--quiet", "--bare", mirror);
    const names = [...existing, ...added].map((_, index) => `f${index}`);
    for (const [index, content] of [...existing, ...added].entries()) await writeFile(join(work, `f${index}`), content);
    const ids = await git(work, "hash-object", "-w", ...names);
    await git(mirror, "hash-object", "-w", ...names.slice(0, existing.length).map((name) => join(work, name)));
    const quarantine = join(mirror, "objects", "incoming");
    await mkdir(join(quarantine, "pack"), { recursive: true });
    const packArgs = ["-C", work, "pack-objects", "--quiet", "--window=0", join(quarantine, "pack", "pack")];
    execFileSync("git", packArgs, { input: `${ids}\n` });
    const secrets = new KnownSecrets();
    secrets.register("GEMINI_API_KEY", knownKey);
    return scanPush({
      mirror,
      quarantine,
      environment: { ...hostGit, GIT_CONFIG_NOSYSTEM: "1" },
      matcher: secrets.matcher,
      allowedFingerprints: new Set(),
      signal: new AbortController().signal,
    });
  }
  const createTokens = (count: number) => Array.from({ length: count }, createGithubToken).join("\n");

  test("does not hide what a push adds", async () => {
    const existing = Array.from({ length: 3 }, () => createTokens(150));
    expect(await scanBlobs(existing, ["harmless"])).toBeUndefined();
    await rm(join(scratch.path, "mirror.git"), { recursive: true });
    await rm(join(scratch.path, "work"), { recursive: true });
    expect(await scanBlobs(existing, [knownKey])).toMatch(/blob [0-9a-f]{12}:1 the server's GEMINI_API_KEY/);
  });

  test("is not searched in a push with more findings than are kept", async () => {
    const existing = Array.from({ length: 250 }, () => createTokens(25));
    expect(await scanBlobs(existing, [knownKey])).toContain("too many texts that look like secrets");
  });
});

test("only the first findings are listed, and a hostile file name cannot forge output", async () => {
  const pushing = await startPushing();
  const files = Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => [`f${index}\u001b[31m`, createGithubToken()]),
  );
  await commit(pushing.work, files);
  const output = await pushRefused(pushing);
  expect(output).toContain("and 3 more");
  expect(output).not.toContain("\u001b[31m");
});

describe("the scan of an object", () => {
  const scan = (pieces: readonly Buffer[], secrets = new KnownSecrets()): SecretFinding[] => {
    const findings: SecretFinding[] = [];
    const object = { id: "0".repeat(40), type: "blob" };
    const objectScan = new ObjectScan({ object, matcher: secrets.matcher, onFinding: (one) => findings.push(one) });
    for (const piece of pieces) objectScan.add(piece);
    objectScan.end();
    return findings;
  };
  const keyBody = `${createRandomText(64)}\n`;
  const examples: Readonly<Record<string, string>> = {
    "aws-access-key": `AKIA${createRandomText(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`,
    "aws-secret-key": `aws_secret_access_key = "${createRandomText(40)}"`,
    "github-token": createGithubToken(),
    "github-fine-grained-token": `github${"_pat_"}${createRandomText(82)}`,
    "gitlab-token": `glpat${"-"}${createRandomText(20)}`,
    "slack-token": `xoxb${"-"}${createRandomText(12, "0123456789")}-${createRandomText(24)}`,
    "google-api-key": `AIza${createRandomText(35)}`,
    "anthropic-key": `sk-ant${"-"}api03-${createRandomText(80)}`,
    "openai-key": `sk-proj${"-"}${createRandomText(80)}`,
    "openai-older-key": `sk${"-"}${createRandomText(20)}T3BlbkFJ${createRandomText(20)}`,
    "stripe-key": `sk${"_live_"}${createRandomText(24)}`,
    "npm-token": `npm${"_"}${createRandomText(36)}`,
    "pypi-token": `pypi-${"AgEI"}${createRandomText(80)}`,
    jwt: `eyJ${createRandomText(20)}.eyJ${createRandomText(40)}.${createRandomText(43)}`,
    "wharf-access-token": generateAccessToken(),
    "wharf-refresh-token": formatRefreshToken(randomBytes(32), { session_id: randomUUID(), generation: 3 }),
    "private-key": `-----BEGIN RSA ${"PRIVATE"} KEY-----\n${keyBody}`,
  };

  test.each(Object.entries(examples))("recognises %s", (rule, text) => {
    expect(scan([Buffer.from(`x\n"${text}"\n`)])).toMatchObject([{ rule, line: 2 }]);
  });

  test("does not take placeholders, hashes and ordinary names for secrets", () => {
    const text = [
      `ghp${"_"}${"x".repeat(36)}`,
      createRandomText(40, "0123456789abcdef"),
      `sha512-${createRandomText(86)}==`,
      `task-${createRandomText(40)}`,
      `my_ghp${"_"}${createRandomText(36)}`,
      `-----BEGIN ${"PRIVATE"} KEY-----\n...\n`,
    ].join("\n");
    expect(scan([Buffer.from(text)])).toEqual([]);
  });

  test("finds a token and a known secret wherever the windows meet, each with its line", () => {
    const secrets = new KnownSecrets();
    secrets.register("KEY", knownKey);
    const token = createGithubToken();
    for (let shift = 0; shift < 80; shift += 7) {
      const filler = `${"a".repeat(99)}\n`.repeat(2_621);
      const text = Buffer.from(`${filler}${" ".repeat(shift)}${token} ${knownKey}\n${filler}`);
      const pieces = Array.from({ length: Math.ceil(text.length / 65_536) }, (_, index) =>
        text.subarray(index * 65_536, (index + 1) * 65_536),
      );
      const findings = scan(pieces, secrets);
      expect(new Set(findings.map(({ rule, line }) => `${rule} ${line}`))).toEqual(
        new Set(["github-token 2622", "known-secret 2622"]),
      );
      expect(new Set(findings.map((one) => one.fingerprint).filter(Boolean)).size).toBe(1);
    }
  });

  test("finds what looks like a secret in every line of a large file, which costs no more than any other", () => {
    const createLine = (index: number) => `AKIA${createRandomText(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")} ${index}\n`;
    const pieces = Array.from({ length: 16 }, (_, index) => Buffer.from(createLine(index).repeat(20_000)));
    const lines = scan(pieces).map(({ line }) => line);
    expect(new Set(lines).size).toBe(16 * 20_000);
    expect(Math.max(...lines.slice(-10))).toBe(16 * 20_000);
  });

  test("reads objects however git's output is split", () => {
    const output = Buffer.from(
      `${"a".repeat(40)} blob 3\nx\ny\n${"b".repeat(40)} tree 0\n\n${"c".repeat(40)} blob 1\nz\n`,
    );
    for (let size = 1; size <= output.length; size++) {
      const contents: string[] = [];
      const reader = new ObjectReader(({ id, type }) => {
        let content = "";
        return {
          add: (piece) => void (content += piece.toString()),
          end: () => void contents.push(`${id[0]} ${type} ${content}`),
        };
      });
      for (let at = 0; at < output.length; at += size) reader.addChunk(output.subarray(at, at + size));
      expect(contents).toEqual(["a blob x\ny", "b tree ", "c blob z"]);
      expect(reader.isComplete).toBe(true);
    }
    const open = new ObjectReader(() => ({ add: () => undefined, end: () => undefined }));
    open.addChunk(output.subarray(0, 44));
    expect(open.isComplete).toBe(false);
  });
});

test("a large file is scanned to its end", async () => {
  const pushing = await startPushing();
  await mkdir(join(pushing.work, "data"));
  await writeFile(
    join(pushing.work, "data/large.bin"),
    Buffer.concat([randomBytes(8_000_000), Buffer.from(`\n${knownKey}`)]),
  );
  await commit(pushing.work, {});
  expect(await pushRefused(pushing)).toContain("data/large.bin:");
});
