import { spawn } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";

/** A source file, or a file beside the bundle. */
const script = join(import.meta.dirname, `clean-up${extname(import.meta.filename)}`);

/**
 * Ends the runners in a folder when the server dies without ending them itself. The guard is a
 * shell that reads from a pipe of the server: a line means that all is done; the end of the pipe
 * without a line means that the server is gone.
 */
export class Guard {
  readonly #child;

  constructor(cleanUpArguments: readonly string[]) {
    const command = ["sh", process.execPath, script, ...cleanUpArguments];
    // Start a new session: a signal to the server's group must not end the guard.
    this.#child = spawn("/bin/sh", ["-c", 'read -r done || exec "$@"', ...command], {
      detached: true,
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#child.unref();
    this.#child.stdin.on("error", () => undefined);
    this.#child.on("error", () => undefined);
  }

  async release(): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.ref();
    const exited = once(this.#child, "exit");
    this.#child.stdin.end("done\n");
    await exited;
  }
}
