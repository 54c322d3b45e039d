import { buildKit } from "../../scripts/build.ts";
import { buildTestProgram } from "../../scripts/program.ts";
import { buildWeb } from "../../scripts/web/build-web.ts";

/** Builds the bundles from the current sources, so that tests run the same code as users. */
export default async function build(): Promise<void> {
  await Promise.all([buildKit(), buildWeb()]);
  await buildTestProgram();
}
