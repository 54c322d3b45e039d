import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { errorCatalogue } from "../../packages/contract/src/index.ts";
import { createOpenApiDocument } from "../../packages/server/src/api/openapi/openapi-document.ts";
import { readOperations } from "./operations.ts";
import { formatResources } from "./resource-classes.ts";
import { formatDeclaration } from "./schema-types.ts";

const header = "// `npm run build` writes this file from the contract.\n";

/** Writes the types and methods of the client from the contract. */
export async function generateClient(folder: string): Promise<void> {
  const document = createOpenApiDocument();
  const { schemas } = z
    .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(document).components;
  const codes = Object.keys(errorCatalogue).toSorted();
  const types = [
    ...Object.entries(schemas).map(([name, schema]) => formatDeclaration(name, schema)),
    `/** The codes of all errors. */\nexport type ErrorCode =\n${codes.map((code) => `  | "${code}"`).join("\n")};\n`,
  ];
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "schemas.ts"), header + types.join("\n"));
  await writeFile(join(folder, "resources.ts"), header + formatResources(readOperations(document)));
}
