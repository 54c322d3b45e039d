import { runSuite } from "./select.ts";

runSuite(["kubernetes-pod"], ["deaths"]);
