import { NEWEST } from "../support/modes.js";
import { fullScenarios } from "./full_scenarios.js";

fullScenarios(NEWEST);
