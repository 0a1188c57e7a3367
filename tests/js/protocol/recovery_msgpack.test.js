import { NEWEST, msgpack } from "../support/modes.js";
import { recoveryScenarios } from "./recovery_scenarios.js";

recoveryScenarios(msgpack(NEWEST));
