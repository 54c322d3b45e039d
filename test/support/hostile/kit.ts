import { cpSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { kitFolder } from "../../../scripts/build.ts";

/** A kit whose daemon behaves as its file `mode` names it when a runner first starts. */
export class HostileKit {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.setMode("good");
  }

  static async build(folder: string): Promise<HostileKit> {
    cpSync(kitFolder, folder, { recursive: true });
    renameSync(join(folder, "lib/wharf-daemon.mjs"), join(folder, "lib/real-daemon.mjs"));
    const bundle = await rolldown({
      input: join(import.meta.dirname, "daemon.ts"),
      platform: "node",
      external: ["./real-daemon.mjs"],
      logLevel: "warn",
    });
    await bundle.write({ file: join(folder, "lib/wharf-daemon.mjs"), format: "esm", codeSplitting: false });
    await bundle.close();
    return new HostileKit(folder);
  }

  setMode(mode: string): void {
    writeFileSync(join(this.folder, "lib/mode"), mode);
  }
}
