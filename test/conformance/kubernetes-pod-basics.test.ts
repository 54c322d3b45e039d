import { runSuite } from "./select.ts";

runSuite(["kubernetes-pod"], ["basics"]);
