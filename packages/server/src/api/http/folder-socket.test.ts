import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connectToFolder, socketFile } from "@wharf/contract/data-folder";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listenInFolder } from "./folder-socket.ts";

let scratch = "";
const http = createServer((_, response) => response.end("answered"));
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "wharf-socket-"));
});
afterEach(() => rm(scratch, { recursive: true }));

async function ask(folder: string): Promise<string> {
  const asked = request({ createConnection: () => connectToFolder(folder) }).end();
  const [answer] = await once(asked, "response");
  return text(answer);
}

test.each([
  ["a folder", ""],
  ["a folder whose path is too long for a socket", "x".repeat(120)],
])("serves HTTP on a socket in %s that only its owner may use", async (_, name) => {
  const folder = join(scratch, name);
  await mkdir(folder, { recursive: true });
  const path = join(folder, socketFile);
  {
    await using _listening = await listenInFolder(http, folder);
    expect(await ask(folder)).toBe("answered");
    const found = await stat(path);
    expect({ isSocket: found.isSocket(), mode: found.mode & 0o777 }).toEqual({ isSocket: true, mode: 0o600 });
  }
  await expect(stat(path)).rejects.toThrow("ENOENT");
  await expect(ask(folder)).rejects.toThrow("ENOENT");
});

test("replaces the socket of a server that was killed", async () => {
  await writeFile(join(scratch, socketFile), "");
  await chmod(join(scratch, socketFile), 0o444);
  await using _listening = await listenInFolder(http, scratch);
  expect(await ask(scratch)).toBe("answered");
});
