import { buildKit } from "../../scripts/build.ts";

/** Tests run what users run: the bundles, made from the sources of this moment. */
export default buildKit;
