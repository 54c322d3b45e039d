import { runSuite } from "./select.ts";

runSuite(["kubernetes"], ["deaths"]);
