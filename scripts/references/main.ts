import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createOpenApiDocument } from "../../packages/server/src/api/openapi/openapi-document.ts";
import { root } from "../voice/sources.ts";
import { formatApi } from "./api.ts";
import { formatCommands } from "./commands.ts";
import { formatEvents } from "./events.ts";
import { formatSettings } from "./settings.ts";

/**
 * Writes the references of docs/ from the code: `npm run references`. With --check it writes
 * nothing and fails if a page is not what the code says.
 */
const pages = {
  "docs/settings.md": formatSettings(),
  "docs/command-reference.md": formatCommands(),
  "docs/api.md": formatApi(),
  "docs/events.md": formatEvents(),
  "docs/openapi.json": `${JSON.stringify(createOpenApiDocument(), null, 2)}\n`,
};

const isCheck = process.argv.includes("--check");
for (const [path, text] of Object.entries(pages)) {
  const file = join(root, path);
  if (!isCheck) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`${path} is out of date. Run \`npm run references\` and commit it.`);
    process.exitCode = 1;
  }
}
