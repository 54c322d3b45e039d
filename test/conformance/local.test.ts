import { runSuite } from "./select.ts";

runSuite(["local", "mock"]);
