// This script ends the runners that a server left in its folder, and removes the folder.
import { rm } from "node:fs/promises";
import { createPlainBackend } from "../local/index.ts";

const [folder = "", kit = "", node = "", searchPath = ""] = process.argv.slice(2);
const backend = await createPlainBackend({ folder, kit, node, searchPath });
for await (const { id } of backend.list()) await backend.destroy(id);
await backend.close();
await rm(folder, { recursive: true, force: true });
