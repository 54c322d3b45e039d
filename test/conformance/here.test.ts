import { conform } from "./asked-for.ts";

conform(["local", "mock"]);
