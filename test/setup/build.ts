import { buildKit } from "../../scripts/build.ts";

/** Builds the bundles from the current sources, so that tests run the same code as users. */
export default buildKit;
