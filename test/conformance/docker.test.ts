import { runSuite } from "./select.ts";

runSuite(["docker", "docker-exec"]);
