import { conform } from "./asked-for.ts";

conform(["docker", "docker-exec"]);
