import { execFile, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { get } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { logProgress } from "../program.ts";
import { type ServerProcess, toServerProcess } from "./processes.ts";

const version = "1.15.2";
const maxInstallMs = 90_000;
const maxStartMs = 20_000;

/**
 * Starts the Portkey gateway: the one in the folder WHARF_BENCH_PORTKEY, which has it in its
 * `node_modules`, or one that npm installs into a temporary folder. Returns undefined if there is
 * none.
 */
export async function startPortkey(scratchFolder: string): Promise<ServerProcess | undefined> {
  const folder = process.env["WHARF_BENCH_PORTKEY"] ?? (await install(join(scratchFolder, "portkey")));
  if (folder === undefined) return undefined;
  const port = await findFreePort();
  const program = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js");
  const child = spawn(
    process.execPath,
    ["--import", join(import.meta.dirname, "portkey-fetch.ts"), program, "--headless", `--port=${port}`],
    {
      env: { PATH: process.env["PATH"], NODE_ENV: "production" },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const server = toServerProcess(child, `http://127.0.0.1:${port}`);
  const deadline = performance.now() + maxStartMs;
  while (!(await answers(server.url))) {
    if (performance.now() > deadline || child.exitCode !== null) {
      server[Symbol.dispose]();
      throw new Error("the Portkey gateway did not start");
    }
    await sleep(50);
  }
  return server;
}

async function install(folder: string): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  const args = ["install", "--prefix", folder, "--no-audit", "--no-fund", `@portkey-ai/gateway@${version}`];
  try {
    await promisify(execFile)("npm", args, { cwd: folder, timeout: maxInstallMs });
    return folder;
  } catch (error) {
    logProgress(`npm could not install the Portkey gateway; its rows are missing: ${String(error)}`);
    return undefined;
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

const answers = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    get(url, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on("error", () => resolve(false));
  });
