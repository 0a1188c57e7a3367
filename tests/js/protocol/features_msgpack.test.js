import { NEWEST, msgpack } from "../support/modes.js";
import { featureScenarios } from "./features_scenarios.js";

featureScenarios(msgpack(NEWEST));
