import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A folder for a workspace and one for the agent's home, gone with the test. */
export class TestFolders implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), "wharf-agent-"));
  readonly cwd = join(this.#root, "workspace");
  readonly home = join(this.#root, "home");
  readonly outside = join(this.#root, "outside");

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const folder of [this.cwd, this.home, this.outside]) mkdirSync(folder);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.cwd, path)), { recursive: true });
      writeFileSync(join(this.cwd, path), content);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
