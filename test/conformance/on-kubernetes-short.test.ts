import { conform } from "./asked-for.ts";

conform(["kubernetes-short"]);
