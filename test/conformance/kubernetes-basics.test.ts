import { runSuite } from "./select.ts";

runSuite(["kubernetes"], ["basics"]);
