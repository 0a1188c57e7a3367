import { NEWEST, msgpack } from "../support/modes.js";
import { fullScenarios } from "./full_scenarios.js";

fullScenarios(msgpack(NEWEST));
