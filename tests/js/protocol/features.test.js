import { NEWEST } from "../support/modes.js";
import { featureScenarios } from "./features_scenarios.js";

featureScenarios(NEWEST);
