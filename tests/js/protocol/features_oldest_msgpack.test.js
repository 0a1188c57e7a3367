import { OLDEST, msgpack } from "../support/modes.js";
import { featureScenarios } from "./features_scenarios.js";

featureScenarios(msgpack(OLDEST));
