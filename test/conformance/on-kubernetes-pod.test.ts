import { conform } from "./asked-for.ts";

conform(["kubernetes-pod"]);
